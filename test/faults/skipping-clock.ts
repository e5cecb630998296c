import { type Clock, systemClock } from '../../src/base/clock.ts'

/** Runs as time does, and can be set forward: whoever sleeps beyond that is woken. */
export class SkippingClock implements Clock {
  #skippedMs = 0
  readonly #sleepers = new Set<{ readonly dueMs: number; readonly wake: AbortController }>()

  wallMs(): number {
    return systemClock.wallMs()
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#skippedMs
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    const wake = new AbortController()
    const sleeper = { dueMs: this.monotonicMs() + delayMs, wake }
    this.#sleepers.add(sleeper)
    const signals = signal === undefined ? [wake.signal] : [wake.signal, signal]
    await systemClock.sleep(delayMs, AbortSignal.any(signals))
    this.#sleepers.delete(sleeper)
  }

  skip(ms: number): void {
    this.#skippedMs += ms
    const nowMs = this.monotonicMs()
    for (const { dueMs, wake } of [...this.#sleepers]) if (dueMs <= nowMs) wake.abort()
  }
}
