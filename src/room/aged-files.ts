import type { BytePath } from '../base/byte-path.ts'

/** A file's place in the order of age. */
export interface AgedFile {
  readonly path: BytePath
  readonly mtimeMs: number
}

/** Older files first, those of one age by their names. */
export function compareAge(a: AgedFile, b: AgedFile): number {
  return a.mtimeMs - b.mtimeMs || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)
}

/** Keeps the oldest of any number of files, at most `limit`, and memory for twice as many. */
export class OldestFiles {
  readonly #limit: number
  #files: AgedFile[] = []
  /** Known once there were more than can be kept: what is younger need not be looked at. */
  #youngest: AgedFile | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  /** True when files had to be left out. */
  get isCutShort(): boolean {
    return this.#youngest !== undefined || this.#files.length > this.#limit
  }

  add(file: AgedFile): void {
    if (this.#youngest !== undefined && compareAge(file, this.#youngest) > 0) return
    this.#files.push(file)
    if (this.#files.length >= 2 * this.#limit) this.#cut()
  }

  /** The files, oldest first. */
  sorted(): readonly AgedFile[] {
    if (this.#files.length > this.#limit) this.#cut()
    return this.#files.sort(compareAge)
  }

  #cut(): void {
    this.#files.sort(compareAge)
    this.#files.length = this.#limit
    this.#youngest = this.#files.at(-1)
  }
}
