import type { Clock } from './clock.ts'

/** How long synchronous work may hold a thread before it lets others run. */
export const sliceMs = 10

/**
 * Keeps a loop of synchronous calls from holding the thread for more than {@link sliceMs}:
 * `if (slice.isOver()) await slice.next()` after each call.
 */
export class Slice {
  readonly #clock: Clock
  #startedAtMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAtMs = clock.monotonicMs()
  }

  isOver(): boolean {
    return this.#clock.monotonicMs() - this.#startedAtMs >= sliceMs
  }

  /** @param restMs - How long to leave the thread to others; 0 for one turn of the event loop. */
  async next(restMs = 0): Promise<void> {
    if (restMs > 0) await this.#clock.sleep(restMs)
    else await new Promise<void>((resolve) => setImmediate(resolve))
    this.#startedAtMs = this.#clock.monotonicMs()
  }
}
