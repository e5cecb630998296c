/**
 * Says how often a line may be logged whose writer may be anybody on the network: once in `everyMs`,
 * with the number of those that were left out before.
 */
export class LogLimiter {
  readonly #monotonicMs: () => number
  readonly #everyMs: number
  #lastAtMs = Number.NEGATIVE_INFINITY
  #leftOut = 0

  constructor(monotonicMs: () => number, everyMs = 1000) {
    this.#monotonicMs = monotonicMs
    this.#everyMs = everyMs
  }

  /** How many were left out since the last line, or undefined when this one is to be left out too. */
  admit(): number | undefined {
    const nowMs = this.#monotonicMs()
    if (nowMs - this.#lastAtMs < this.#everyMs) {
      this.#leftOut += 1
      return undefined
    }
    const leftOut = this.#leftOut
    this.#lastAtMs = nowMs
    this.#leftOut = 0
    return leftOut
  }
}
