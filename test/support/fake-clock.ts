import type { Clock } from '../../src/base/clock.ts'

interface Sleeper {
  readonly dueMs: number
  readonly wake: () => void
}

/** A clock that stands still until it is moved by hand. */
export class FakeClock implements Clock {
  #monotonicMs = 1_000_000
  #wallMs = Date.UTC(2026, 0, 2, 3, 4, 5)
  readonly #sleepers = new Set<Sleeper>()

  /** Those that sleep now: each would be a timer that keeps the process alive. */
  get sleepers(): number {
    return this.#sleepers.size
  }

  /** How long the sleepers still have to sleep, the shortest first. */
  get sleepsMs(): number[] {
    return [...this.#sleepers].map(({ dueMs }) => dueMs - this.#monotonicMs).sort((a, b) => a - b)
  }

  wallMs(): number {
    return this.#wallMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper: Sleeper = { dueMs: this.#monotonicMs + Math.max(0, delayMs), wake }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', wake)
    })
  }

  /** Somebody sets the wall clock; the monotonic one does not mind. */
  setWall(wallMs: number): void {
    this.#wallMs = wallMs
  }

  /** Time passes while nobody sleeps, such as in a call that takes long. */
  pass(ms: number): void {
    this.#moveTo(this.#monotonicMs + ms)
  }

  /** Lets time pass, waking each sleeper at its time, and lets all that follows from it happen. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms
    for (;;) {
      await settled()
      const due = [...this.#sleepers].filter(({ dueMs }) => dueMs <= endMs)
      const [next] = due.sort((a, b) => a.dueMs - b.dueMs)
      if (next === undefined) break
      this.#moveTo(Math.max(next.dueMs, this.#monotonicMs))
      next.wake()
    }
    this.#moveTo(endMs)
    await settled()
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs
    this.#monotonicMs = monotonicMs
  }
}

/** Resolves when everything that waits for nothing but its turn has had it. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
