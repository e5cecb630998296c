/**
 * Says how often a line may be logged whose writer may be anybody on the network: once a second, with
 * the number of those that were left out before.
 */
export class LogLimiter {
  readonly #monotonicMs: () => number
  #lastAtMs = Number.NEGATIVE_INFINITY
  #leftOut = 0

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** How many were left out since the last line, or undefined when this one is to be left out too. */
  admit(): number | undefined {
    const nowMs = this.#monotonicMs()
    if (nowMs - this.#lastAtMs < 1000) {
      this.#leftOut += 1
      return undefined
    }
    const leftOut = this.#leftOut
    this.#lastAtMs = nowMs
    this.#leftOut = 0
    return leftOut
  }
}
