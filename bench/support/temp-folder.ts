import { mkdirSync, mkdtempSync, realpathSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that is removed with everything in it, also when the process is ended by a signal. */
export class TempFolder implements Disposable {
  readonly path: string
  readonly #remove: () => void

  private constructor(path: string) {
    this.path = path
    this.#remove = () => rmSync(path, { recursive: true, force: true })
    process.once('exit', this.#remove)
  }

  /** @param parent - Decides which disk is measured. */
  static make(parent: string = tmpdir()): TempFolder {
    return new TempFolder(realpathSync(mkdtempSync(join(parent, 'longshore-bench-'))))
  }

  /** In memory (tmpfs) when `wantedBytes` fit there, or else in `parent`. */
  static makeInMemory(wantedBytes: number, parent: TempFolder): TempFolder {
    return TempFolder.make(hasRoom(memoryFolder, wantedBytes) ? memoryFolder : parent.path)
  }

  /** A new folder in this one. */
  folder(name: string): string {
    const path = join(this.path, name)
    mkdirSync(path, { recursive: true })
    return path
  }

  file(name: string): string {
    return join(this.path, name)
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#remove)
    this.#remove()
  }
}

const memoryFolder = '/dev/shm'

function hasRoom(folder: string, wantedBytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize >= wantedBytes
  } catch {
    return false
  }
}
