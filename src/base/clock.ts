/** The seam for time. Tests inject one that they move by hand. */
export interface Clock {
  /** Milliseconds since 1970. Jumps when somebody sets the clock. */
  wallMs(): number
  /** Milliseconds since some fixed point. Never jumps. */
  monotonicMs(): number
  /**
   * Resolves after `delayMs`, or at once when `signal` aborts. Never rejects. Below 0, or no number, is
   * like 0; infinity waits for `signal` alone.
   */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** One timer takes no more, 24.8 days: it would end at once, with a warning. */
const longestTimerMs = 2 ** 31 - 1

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (delayMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      let timer: NodeJS.Timeout
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const wait = (leftMs: number) => {
        const laterMs = leftMs - longestTimerMs
        timer =
          laterMs > 0 ? setTimeout(() => wait(laterMs), longestTimerMs) : setTimeout(done, leftMs)
      }
      wait(Number.isNaN(delayMs) ? 0 : Math.max(0, delayMs))
      signal?.addEventListener('abort', done, { once: true })
    }),
}
