import { type AgedFile, compareAge } from './aged-files.ts'

/**
 * Goes through files in the order of age, round after round, and says which are to go: the oldest, and
 * then every nth. Remembers where it was: were it to begin at the oldest each time that a little room
 * is needed, all of the oldest would go instead of every nth of all.
 */
export class EveryNth {
  readonly #n: number
  #after: AgedFile | undefined
  #toKeep = 0

  /** @param n - 1 or more; nothing ever goes by any other number. */
  constructor(n: number) {
    this.#n = n
  }

  /** True where it begins with the oldest file of all. */
  get isAtStart(): boolean {
    return this.#after === undefined
  }

  /** Whether the file comes later in this round. */
  isToCome(file: AgedFile): boolean {
    return this.#after === undefined || compareAge(file, this.#after) > 0
  }

  /** Whether the file that comes next is one of those that go. */
  get isNextToGo(): boolean {
    return this.#toKeep === 0
  }

  /** It stays, as one of those between. */
  kept(file: AgedFile): void {
    this.#after = file
    this.#toKeep -= 1
  }

  /** It was to go, but may not: the next one goes in its place. */
  passedOver(file: AgedFile): void {
    this.#after = file
  }

  gone(file: AgedFile): void {
    this.#after = file
    this.#toKeep = this.#n - 1
  }

  /** Begins with the oldest again. */
  newRound(): void {
    this.#after = undefined
    this.#toKeep = 0
  }
}
