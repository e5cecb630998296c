import type { TransferFailure, TransferFailureKind } from '../wire/transfer-failure.ts'
import { backoffMs } from './backoff.ts'

const firstMs = 500
const capMs = 60_000
/**
 * To see whether anybody answers again costs one packet, so it is done more often: a link that comes
 * back somewhere on the way, unseen from here, is found after 7.5 s on average. A thousand robots then
 * send 133 of these packets a second, spread by the jitter, to a receiver that is down.
 */
const unreachableCapMs = 15_000
/** What a person has to mend. */
const lastingMs = 15 * 60_000
/** However long a receiver, or a proxy with another idea of the time, asks for. */
const longestWaitMs = 60 * 60_000
/** All robots that are told the same time come back spread over a tenth of it. */
const spread = 0.1
/** A network that comes and goes all the time does not make us knock more often than this. */
const knockEveryMs = 10_000
/** All robots behind one access point see it come back at the same moment. */
const knockWithinMs = 1000

const linkKinds: ReadonlySet<TransferFailureKind> = new Set([
  'unreachable',
  'connection_lost',
  'stalled',
])

export interface LinkFailure {
  readonly failure: TransferFailure
  /** The gate's {@link LinkGate.round} when the failed upload was started. */
  readonly round: number
  /** What was asked for; undefined to back off. Never less than the backoff. */
  readonly waitMs: number | undefined
  /** True when a person has to mend something first. */
  readonly lasting: boolean
  readonly nowMs: number
  readonly random: number
}

/**
 * Whether the receiver can be expected to take uploads. Shut after a failure that concerns all of
 * them. When its time is over, the receiver is asked who it is; when that is answered, one upload goes
 * ahead; and once that has been answered, too, the others follow. The question comes first because it
 * costs next to nothing, is answered at once and concerns no file.
 */
export class LinkGate {
  #round = 0
  #failures = 0
  #shutUntilMs = Number.NEGATIVE_INFINITY
  #last: TransferFailure | undefined
  #answersAgain = false
  #lastKnockMs = Number.NEGATIVE_INFINITY

  /** What shut it, until an upload has gone through again. */
  get lastFailure(): TransferFailure | undefined {
    return this.#last
  }

  /** How often it was tried in vain, since it last worked. */
  get failures(): number {
    return this.#failures
  }

  /** False from the first failure until {@link open}. */
  get isOpen(): boolean {
    return this.#failures === 0
  }

  /** True when the receiver has to be asked before anything is sent. */
  get mustAsk(): boolean {
    return !this.isOpen && !this.#answersAgain
  }

  /** True when the receiver has answered last, be it only a question. */
  get isAnswered(): boolean {
    return this.isOpen || this.#answersAgain
  }

  /** True while it is shut for want of a way to the receiver. */
  get isCutOff(): boolean {
    return this.#last !== undefined && linkKinds.has(this.#last.kind)
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
  shut({ failure, round, waitMs, lasting, nowMs, random }: LinkFailure): void {
    const isOld = round < this.#round
    // The link has been found to work since: only a wish of the receiver's is still of interest.
    if (isOld && this.isOpen && waitMs === undefined) return
    const askedMs = lasting ? lastingMs : waitMs
    const counts = !isOld || this.isOpen
    // One of many that fail together, with nothing new to say.
    if (!counts && askedMs === undefined) return
    this.#last = failure
    this.#answersAgain = false
    let shutForMs = askedMs === undefined ? 0 : askedMs * (1 + spread * random)
    if (counts) {
      this.#round += 1
      this.#failures += 1
      const times = { firstMs, capMs: failure.kind === 'unreachable' ? unreachableCapMs : capMs }
      shutForMs = Math.max(shutForMs, backoffMs(this.#failures, times, random))
    }
    const untilMs = nowMs + Math.min(shutForMs, longestWaitMs)
    this.#shutUntilMs = Math.max(this.#shutUntilMs, untilMs)
  }

  /** The network of this device has changed: what was in the way may be gone. True when that shortens the wait. */
  knock(nowMs: number, random: number): boolean {
    if (!this.isCutOff) return false
    const atMs = Math.max(nowMs, this.#lastKnockMs + knockEveryMs) + random * knockWithinMs
    if (atMs >= this.#shutUntilMs) return false
    this.#lastKnockMs = atMs
    this.#shutUntilMs = atMs
    return true
  }

  /** The receiver has said who it is: one upload may be tried. */
  answersAgain(): void {
    this.#answersAgain = true
  }

  /** The receiver has answered an upload. */
  open(): void {
    this.#failures = 0
    this.#shutUntilMs = Number.NEGATIVE_INFINITY
    this.#last = undefined
  }
}
