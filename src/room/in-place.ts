import { lstatSync } from 'node:fs'
import {
  type BytePath,
  fsPath,
  isAtOrBelow,
  joinPath,
  parentOf,
  segmentsBelow,
} from '../base/byte-path.ts'
import { realPathOfExisting } from '../base/real-path.ts'
import { mountPoints } from '../scan/mount-points.ts'

/** What lies below `capture_dir` and may be worked on. */
export interface Ground {
  /** Without symbolic links. */
  readonly captureDir: BytePath
  /** Roots of their own that must not be worked on now. */
  readonly closed: readonly BytePath[]
}

/**
 * Says of files found in a walk whether they are still below `capture_dir`: since then a link or a mount
 * may have taken the place of a folder, and the same path leads to files that somebody has put into
 * safety elsewhere. To be made anew before files are removed.
 */
export class InPlace {
  readonly #ground: Ground
  readonly #device: bigint
  readonly #mounts: ReadonlySet<BytePath>

  constructor(ground: Ground, mounts: ReadonlySet<BytePath> = mountPoints()) {
    this.#ground = ground
    this.#mounts = mounts
    this.#device = lstatSync(fsPath(ground.captureDir), { bigint: true }).dev
  }

  /**
   * Throws the system's error when the file's folder cannot be resolved.
   *
   * @param device - The file's, as it is now.
   */
  has(path: BytePath, device: bigint): boolean {
    const { captureDir, closed } = this.#ground
    const folder = parentOf(path)
    if (device !== this.#device || !isAtOrBelow(folder, captureDir)) return false
    if (closed.some((root) => isAtOrBelow(path, root))) return false
    return realPathOfExisting(folder) === folder && !this.#isMounted(folder)
  }

  /** A folder of the same file system that is mounted there has the same device. */
  #isMounted(folder: BytePath): boolean {
    let path = this.#ground.captureDir
    for (const name of segmentsBelow(folder, path)) {
      path = joinPath(path, name)
      if (this.#mounts.has(path)) return true
    }
    return false
  }
}
