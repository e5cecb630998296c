/** The wall clock was set forward a moment ago. */
export interface WallClockStep {
  /** What was written before the step has no later time than this. */
  readonly beforeMs: number
  /** So much older than it is does such a file look. */
  readonly byMs: number
}

interface NoticedStep extends WallClockStep {
  readonly noticedAtMs: number
}

/** Two readings of two clocks are never from the same moment. */
const smallestStepMs = 250

/**
 * Notices when somebody sets the wall clock forward, as a device without a clock battery does when it
 * has found a time server: what was written a moment before seems to have been quiet for years. The
 * step counts until every file from before it has had its quiet time on the monotonic clock.
 */
export class WallClockWatch {
  readonly #quietMs: number
  #last: { readonly wallMs: number; readonly monotonicMs: number } | undefined
  #step: NoticedStep | undefined

  constructor(quietMs: number) {
    this.#quietMs = quietMs
  }

  /** The step to allow for now. Steps are noticed only from one call to the next. */
  look(wallMs: number, monotonicMs: number): WallClockStep | undefined {
    if (this.#step !== undefined && monotonicMs - this.#step.noticedAtMs >= this.#quietMs) {
      this.#step = undefined
    }
    if (this.#last !== undefined) {
      const byMs = wallMs - this.#last.wallMs - (monotonicMs - this.#last.monotonicMs)
      if (byMs >= smallestStepMs) {
        const earlierMs = this.#step?.byMs ?? 0
        this.#step = {
          beforeMs: wallMs - byMs,
          byMs: byMs + earlierMs,
          noticedAtMs: monotonicMs,
        }
      }
    }
    this.#last = { wallMs, monotonicMs }
    return this.#step
  }
}
