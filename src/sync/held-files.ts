import type { BytePath } from '../base/byte-path.ts'
import type { Candidate } from '../scan/candidate.ts'
import { backoffMs } from './backoff.ts'

type HeldFile = Pick<Candidate, 'path' | 'mtimeNs' | 'sizeBytes'>

interface Held {
  readonly mtimeNs: bigint
  readonly sizeBytes: number
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
  hold(file: HeldFile, nowMs: number, random: number): number {
    const { path, mtimeNs, sizeBytes } = file
    const attempts = this.attempts(file) + 1
    this.#held.delete(path)
    if (this.#held.size >= maxHeld) {
      const [longest] = this.#held.keys()
      this.#held.delete(longest!)
    }
    const notBeforeMs = nowMs + backoffMs(attempts, fileBackoff, random)
    this.#held.set(path, { mtimeNs, sizeBytes, attempts, notBeforeMs })
    return attempts
  }

  /** How many tries have failed so far. A file that has changed starts afresh. */
  attempts({ path, mtimeNs, sizeBytes }: HeldFile): number {
    const held = this.#held.get(path)
    if (held === undefined || held.mtimeNs !== mtimeNs || held.sizeBytes !== sizeBytes) return 0
    return held.attempts
  }

  isHeld(path: BytePath, nowMs: number): boolean {
    const held = this.#held.get(path)
    return held !== undefined && nowMs < held.notBeforeMs
  }

  release(path: BytePath): void {
    this.#held.delete(path)
  }
}
