import type { TransferFailure } from '../wire/transfer-failure.ts'
import { backoffMs } from './backoff.ts'

const linkBackoff = { firstMs: 500, capMs: 60_000 }

/** However long a receiver, or a proxy with another idea of the time, asks for. */
const longestWaitMs = 60 * 60_000

export interface LinkFailure {
  readonly failure: TransferFailure
  /** The gate's {@link LinkGate.round} when the failed upload was started. */
  readonly round: number
  /** What was asked for; undefined to back off. Never less than the backoff. */
  readonly waitMs: number | undefined
  readonly nowMs: number
  readonly random: number
}

/**
 * Whether the receiver can be expected to take uploads. Shut after a failure that concerns all of
 * them; when its time is over, one upload goes ahead, and the others follow once that has been
 * answered.
 */
export class LinkGate {
  #round = 0
  #failures = 0
  #shutUntilMs = Number.NEGATIVE_INFINITY
  #last: TransferFailure | undefined

  /** What shut it, until an upload has gone through again. */
  get lastFailure(): TransferFailure | undefined {
    return this.#last
  }

  /** How often it was tried in vain, since it last worked. */
  get failures(): number {
    return this.#failures
  }

  /** False from the first failure until {@link open}: only one upload may be tried then. */
  get isOpen(): boolean {
    return this.#failures === 0
  }

  /** Grows with each failure that counts. Uploads of an earlier round say nothing about the link now. */
  get round(): number {
    return this.#round
  }

  /** How long nothing may start: 0 when something may. */
  shutForMs(nowMs: number): number {
    return Math.max(0, this.#shutUntilMs - nowMs)
  }

  /** Uploads that were under way together fail together, and count once. */
  shut({ failure, round, waitMs, nowMs, random }: LinkFailure): void {
    const isOld = round < this.#round
    // The link has been found to work since: only a wish of the receiver's is still of interest.
    if (isOld && this.isOpen && waitMs === undefined) return
    this.#last = failure
    let shutForMs = waitMs ?? 0
    if (!isOld || this.isOpen) {
      this.#round += 1
      this.#failures += 1
      shutForMs = Math.max(shutForMs, backoffMs(this.#failures, linkBackoff, random))
    }
    const untilMs = nowMs + Math.min(shutForMs, longestWaitMs)
    this.#shutUntilMs = Math.max(this.#shutUntilMs, untilMs)
  }

  /** The receiver has answered. */
  open(): void {
    this.#failures = 0
    this.#shutUntilMs = Number.NEGATIVE_INFINITY
    this.#last = undefined
  }
}
