import type { BytePath } from '../base/byte-path.ts'
import { backoffMs } from './backoff.ts'

interface Held {
  readonly attempts: number
  readonly notBeforeMs: number
}

/** Above this the file that has waited longest is forgotten, and so is tried earlier than it would be. */
const maxHeld = 10_000
const fileBackoff = { firstMs: 1000, capMs: 10 * 60_000 }

/** Files that are to be tried again, but not yet. They hold no worker and nothing but their name. */
export class HeldFiles {
  readonly #held = new Map<BytePath, Held>()

  get size(): number {
    return this.#held.size
  }

  /** Counts a failed try, and says how many there were. */
  hold(path: BytePath, nowMs: number, random: number): number {
    const attempts = (this.#held.get(path)?.attempts ?? 0) + 1
    this.#held.delete(path)
    if (this.#held.size >= maxHeld) {
      const [longest] = this.#held.keys()
      this.#held.delete(longest!)
    }
    this.#held.set(path, {
      attempts,
      notBeforeMs: nowMs + backoffMs(attempts, fileBackoff, random),
    })
    return attempts
  }

  /** How many tries have failed so far. */
  attempts(path: BytePath): number {
    return this.#held.get(path)?.attempts ?? 0
  }

  isHeld(path: BytePath, nowMs: number): boolean {
    const held = this.#held.get(path)
    return held !== undefined && nowMs < held.notBeforeMs
  }

  release(path: BytePath): void {
    this.#held.delete(path)
  }
}
