import { type BigIntStats, type Dir, opendirSync } from 'node:fs'
import { type BytePath, fsPath } from '../base/byte-path.ts'
import { sqliteDatabaseOf } from './exclude.ts'
import { type FolderRights, folderRights } from './removable.ts'

/** Entries read in one go. A folder of fewer is known completely before its files are judged. */
const batchEntries = 1024

/** One open folder of a walk. The walk closes it. */
export class FolderCursor {
  readonly path: BytePath
  readonly root: BytePath
  /** Taken before the first entry was read. */
  readonly mtimeNs: bigint
  readonly rights: FolderRights
  readonly #dir: Dir
  #ended = false
  #isFirstBatch = true
  #sqliteInUse: ReadonlySet<string> | undefined

  /** Monotonic time before which nothing in the folder can become ready. */
  notBeforeMs = Number.POSITIVE_INFINITY
  hasSubfolders = false

  constructor(path: BytePath, root: BytePath, stats: BigIntStats) {
    this.path = path
    this.root = root
    this.mtimeNs = stats.mtimeNs
    this.rights = folderRights(path, stats)
    this.#dir = opendirSync(fsPath(path), { encoding: 'latin1' as BufferEncoding, bufferSize: 256 })
  }

  get ended(): boolean {
    return this.#ended
  }

  /**
   * Names of the databases in this folder that have a journal beside them, or undefined when the
   * folder is too large to know without looking for each.
   */
  get sqliteInUse(): ReadonlySet<string> | undefined {
    return this.#sqliteInUse
  }

  /** The names of the next entries, in the folder's order. Throws the system's error. */
  nextNames(): string[] {
    const names: string[] = []
    while (names.length < batchEntries && !this.#ended) {
      const name = this.#nextName()
      if (name !== undefined) names.push(name)
    }
    if (this.#isFirstBatch && this.#ended) {
      this.#sqliteInUse = new Set(names.map(sqliteDatabaseOf).filter((name) => name !== undefined))
    }
    this.#isFirstBatch = false
    return names
  }

  #nextName(): string | undefined {
    try {
      const entry = this.#dir.readSync()
      this.#ended = entry === null
      return entry?.name
    } catch (error) {
      // A folder that cannot be read on is not asked again in this scan.
      this.#ended = true
      throw error
    }
  }

  /** Something in the folder may be ready after `delayMs`. */
  lookAgainAfter(nowMs: number, delayMs: number): void {
    this.notBeforeMs = Math.min(this.notBeforeMs, nowMs + delayMs)
  }

  close(): void {
    this.#dir.closeSync()
  }
}
