import { type BigIntStats, type Dir, lstatSync, opendirSync } from 'node:fs'
import { type BytePath, fsPath } from '../base/byte-path.ts'
import { realPath } from '../base/real-path.ts'
import { sqliteDatabaseOf } from './exclude.ts'
import type { FolderStamp } from './folder-memory.ts'
import { type FolderRights, folderRights } from './removable.ts'

/** Entries read in one go. A folder of fewer is known completely before its files are judged. */
const batchEntries = 1024

/** One open folder of a walk. The walk closes it. */
export class FolderCursor {
  readonly path: BytePath
  readonly root: BytePath
  /** Taken before the first entry was read. */
  readonly stamp: FolderStamp
  readonly rights: FolderRights
  readonly #device: bigint
  readonly #inode: bigint
  readonly #dir: Dir
  #ended = false
  #cutShort = false
  #failure: unknown
  #isFirstBatch = true
  #sqliteInUse: ReadonlySet<string> | undefined

  /** Monotonic time before which nothing in the folder can become ready. */
  notBeforeMs = Number.POSITIVE_INFINITY
  hasSubfolders = false

  private constructor(
    path: BytePath,
    root: BytePath,
    stats: BigIntStats,
    stamp: FolderStamp,
    dir: Dir,
  ) {
    this.path = path
    this.root = root
    this.stamp = stamp
    this.rights = folderRights(path, stats)
    this.#device = stats.dev
    this.#inode = stats.ino
    this.#dir = dir
  }

  /** @param stats - Of the folder itself, from before. Throws the system's error. */
  static open(
    path: BytePath,
    root: BytePath,
    stats: BigIntStats,
    stamp: FolderStamp,
  ): FolderCursor {
    const encoding = 'latin1' as BufferEncoding
    const dir = opendirSync(fsPath(path), { encoding, bufferSize: 256 })
    return new FolderCursor(path, root, stats, stamp, dir)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** True when all of its entries have been read. */
  get isComplete(): boolean {
    return this.#ended && !this.#cutShort
  }

  /** What reading it failed with, if it did. */
  get failure(): unknown {
    return this.#failure
  }

  /**
   * Names of the databases in this folder that have a journal beside them, or undefined when the
   * folder is too large to know without looking for each.
   */
  get sqliteInUse(): ReadonlySet<string> | undefined {
    return this.#sqliteInUse
  }

  /**
   * The names of the next entries, in the folder's order. None when the path leads elsewhere by now:
   * in the place of the folder, or of one above it, may stand a link to what must not be touched.
   */
  nextNames(): string[] {
    const names: string[] = []
    try {
      if (!this.#isStillThere()) return this.#end(names, undefined)
      while (names.length < batchEntries && !this.#ended) {
        const entry = this.#dir.readSync()
        if (entry === null) this.#ended = true
        else names.push(entry.name)
      }
    } catch (error) {
      // What was read before is good; the folder is not asked again in this scan.
      return this.#end(names, error)
    }
    if (this.#isFirstBatch && this.#ended) {
      this.#sqliteInUse = new Set(names.map(sqliteDatabaseOf).filter((name) => name !== undefined))
    }
    this.#isFirstBatch = false
    return names
  }

  /** Something in the folder may be ready after `delayMs`. */
  lookAgainAfter(nowMs: number, delayMs: number): void {
    this.notBeforeMs = Math.min(this.notBeforeMs, nowMs + delayMs)
  }

  close(): void {
    this.#dir.closeSync()
  }

  #isStillThere(): boolean {
    const stats = lstatSync(fsPath(this.path), { bigint: true, throwIfNoEntry: false })
    return (
      stats?.isDirectory() === true &&
      stats.dev === this.#device &&
      stats.ino === this.#inode &&
      realPath(this.path) === this.path
    )
  }

  #end(names: string[], failure: unknown): string[] {
    this.#ended = true
    this.#cutShort = true
    this.#failure = failure
    return names
  }
}
