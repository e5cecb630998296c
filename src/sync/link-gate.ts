import type { TransferFailure } from '../wire/transfer-failure.ts'
import { backoffMs } from './backoff.ts'

const linkBackoff = { firstMs: 500, capMs: 60_000 }

/**
 * Whether the receiver can be expected to take uploads. Shut after a failure that concerns all of
 * them; when its time is over, one upload goes ahead, and the others follow once that has been
 * answered.
 */
export class LinkGate {
  #failures = 0
  #shutUntilMs = Number.NEGATIVE_INFINITY
  #last: TransferFailure | undefined

  /** What shut it, until an upload has gone through again. */
  get lastFailure(): TransferFailure | undefined {
    return this.#last
  }

  get failures(): number {
    return this.#failures
  }

  /** How long nothing may start: 0 when it is open. */
  shutForMs(nowMs: number): number {
    return Math.max(0, this.#shutUntilMs - nowMs)
  }

  /** How many uploads may be under way. */
  allowed(normally: number): number {
    return this.#failures === 0 ? normally : 1
  }

  /** Uploads that were under way together fail together: while shut, a failure counts as the same one. */
  shut(failure: TransferFailure, waitMs: number | undefined, nowMs: number, random: number): void {
    this.#last = failure
    if (nowMs < this.#shutUntilMs && waitMs === undefined) return
    this.#failures += 1
    this.#shutUntilMs = nowMs + (waitMs ?? backoffMs(this.#failures, linkBackoff, random))
  }

  open(): void {
    this.#failures = 0
    this.#shutUntilMs = Number.NEGATIVE_INFINITY
    this.#last = undefined
  }
}
