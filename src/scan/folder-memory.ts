import type { BytePath } from '../base/byte-path.ts'

/** What a folder's own entry said just before the folder was read. */
export interface FolderStamp {
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** When that was, on the wall clock. */
  readonly wallMs: number
}

interface Remembered {
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** Monotonic. Nothing in the folder can become ready before. */
  readonly notBeforeMs: number
}

const maxFolders = 65_536

/**
 * A file system's clock ticks in steps, of 4 ms for most and of 2 s for vfat. A file that came after
 * the look, but in the tick of the change before it, does not show in the folder's mtime.
 */
const coarsestTickMs = 3000

/** However sure it is that nothing can have changed: network mounts are not always to be believed. */
const longestMs = 10 * 60_000

/**
 * Remembers folders in which nothing can become ready for a while, so that a scan need not look at
 * every file of them again. Only for folders without subfolders: a change further down does not show
 * in their mtime.
 */
export class FolderMemory {
  readonly #folders = new Map<BytePath, Remembered>()
  #cleanedAtMs = Number.NEGATIVE_INFINITY

  get size(): number {
    return this.#folders.size
  }

  /** The folder was read from its first to its last entry after `stamp` was taken. */
  remember(folder: BytePath, stamp: FolderStamp, notBeforeMs: number, nowMs: number): void {
    const { mtimeNs, ctimeNs, wallMs } = stamp
    const ageMs = Math.abs(wallMs - Number(mtimeNs / 1_000_000n))
    if (notBeforeMs <= nowMs || ageMs < coarsestTickMs) return this.forget(folder)
    this.#clean(nowMs)
    if (this.#folders.size >= maxFolders && !this.#folders.has(folder)) this.#folders.clear()
    const latestMs = Math.min(notBeforeMs, nowMs + longestMs)
    this.#folders.set(folder, { mtimeNs, ctimeNs, notBeforeMs: latestMs })
  }

  /** True when there is no use in looking into the folder now. */
  canSkip(folder: BytePath, stamp: FolderStamp, nowMs: number): boolean {
    const known = this.#folders.get(folder)
    return (
      known !== undefined &&
      known.mtimeNs === stamp.mtimeNs &&
      known.ctimeNs === stamp.ctimeNs &&
      nowMs < known.notBeforeMs
    )
  }

  forget(folder: BytePath): void {
    this.#folders.delete(folder)
  }

  /** Nobody tells of folders that are gone. What is of no more use goes, theirs among it. */
  #clean(nowMs: number): void {
    if (nowMs - this.#cleanedAtMs < longestMs) return
    this.#cleanedAtMs = nowMs
    for (const [folder, { notBeforeMs }] of this.#folders) {
      if (notBeforeMs <= nowMs) this.#folders.delete(folder)
    }
  }
}
