import type { Clock } from '../base/clock.ts'

/** Calls once, at the earliest of the times that it was set to. */
export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #set: { readonly atMs: number; readonly cancel: AbortController } | undefined

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** @param atMs - On the monotonic clock. Later than what it is set to: nothing changes. */
  setTo(atMs: number): void {
    if (this.#set !== undefined && this.#set.atMs <= atMs) return
    this.cancel()
    const set = { atMs, cancel: new AbortController() }
    this.#set = set
    void this.#clock.sleep(atMs - this.#clock.monotonicMs(), set.cancel.signal).then(() => {
      if (this.#set !== set) return
      this.#set = undefined
      this.#ring()
    })
  }

  /** Frees its timer, which keeps the process alive. */
  cancel(): void {
    const set = this.#set
    this.#set = undefined
    set?.cancel.abort()
  }
}
