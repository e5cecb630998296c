import type { Clock } from '../../base/clock.ts'

/** What was not used in time is not made up for later beyond this: the limit is for others' sake. */
const maxArrearsMs = 100

/** Spreads reading over time, so that it does not crowd out others at the disk. */
export class RateLimit {
  readonly #msPerByte: number
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #freeAtMs: number

  /** @param bytesPerSecond - Infinity for no limit. */
  constructor(bytesPerSecond: number, clock: Clock, signal: AbortSignal) {
    this.#msPerByte = 1000 / bytesPerSecond
    this.#clock = clock
    this.#signal = signal
    this.#freeAtMs = clock.monotonicMs()
  }

  /** Resolves when these bytes may be read, or at once when the signal aborts. */
  async take(sizeBytes: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    const startMs = Math.max(this.#freeAtMs, nowMs - maxArrearsMs)
    this.#freeAtMs = startMs + sizeBytes * this.#msPerByte
    if (startMs > nowMs) await this.#clock.sleep(startMs - nowMs, this.#signal)
  }
}
