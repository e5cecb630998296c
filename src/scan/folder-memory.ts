import type { BytePath } from '../base/byte-path.ts'

interface Remembered {
  readonly mtimeNs: bigint
  /** Monotonic. Nothing in the folder can become ready before. */
  readonly notBeforeMs: number
}

const maxFolders = 65_536

/**
 * Remembers folders in which nothing can become ready for a while, so that a scan need not look at
 * every file of them again. Only for folders without subfolders: a change further down does not show
 * in their mtime.
 */
export class FolderMemory {
  readonly #folders = new Map<BytePath, Remembered>()

  remember(folder: BytePath, mtimeNs: bigint, notBeforeMs: number): void {
    if (this.#folders.size >= maxFolders && !this.#folders.has(folder)) this.#folders.clear()
    this.#folders.set(folder, { mtimeNs, notBeforeMs })
  }

  /** True when there is no use in looking into the folder now. */
  canSkip(folder: BytePath, mtimeNs: bigint, nowMs: number): boolean {
    const known = this.#folders.get(folder)
    return known !== undefined && known.mtimeNs === mtimeNs && nowMs < known.notBeforeMs
  }

  forget(folder: BytePath): void {
    this.#folders.delete(folder)
  }
}
