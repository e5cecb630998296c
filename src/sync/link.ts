import type { Clock } from '../base/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { ShardResult } from '../wire/thread-messages.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'
import { decideFailure, type FailureDecision } from './failure-decision.ts'
import { LinkGate } from './link-gate.ts'
import { LinkMeter } from './link-meter.ts'
import { LinkReports } from './link-reports.ts'
import { Refusals } from './refusals.ts'
import type { UploadUnderWay } from './uploads-under-way.ts'

export interface LinkOptions {
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  /** See `UploaderOptions`. */
  readonly giveUpAfterFailures: number | undefined
}

/** What an uploader that may give up waits for, at most. */
const longestWaitMs = 10_000
/** More than all windows and buffers on the way hold: so much goes out only if the receiver takes it. */
const provesLinkBytes = 4 * 1024 * 1024

/** What is known of the way to the receiver, from how uploads end. */
export class Link {
  readonly #options: LinkOptions
  readonly #gate = new LinkGate()
  readonly #reports: LinkReports
  /** How fast it is. */
  readonly meter = new LinkMeter()
  /** Of single files. */
  readonly refusals = new Refusals()
  #gaveUp: TransferFailure | undefined

  constructor(options: LinkOptions) {
    this.#options = options
    this.#reports = new LinkReports(options.log)
  }

  /** What everything is given up for: for good. */
  get gaveUp(): TransferFailure | undefined {
    return this.#gaveUp
  }

  /** Why everything waits, or was given up. */
  get failure(): TransferFailure | undefined {
    return this.#gaveUp ?? this.#gate.lastFailure
  }

  /** False after a failure, until something has gone through: until then one upload is tried at a time. */
  get isOpen(): boolean {
    return this.#gate.isOpen
  }

  /** To be kept with each upload that is started. */
  get round(): number {
    return this.#gate.round
  }

  shutForMs(nowMs: number): number {
    return this.#gate.shutForMs(nowMs)
  }

  /** True for the upload that finds out whether the link works again. */
  isProbe({ round }: UploadUnderWay): boolean {
    return !this.#gate.isOpen && round === this.#gate.round
  }

  decide(failure: TransferFailure): FailureDecision {
    return decideFailure(failure, this.refusals.concernEverything)
  }

  /**
   * An upload is further on its way. A large file takes hours: the others need not wait for its answer
   * to know that the link works. True when that is news.
   */
  moved(upload: UploadUnderWay): boolean {
    if (!this.isProbe(upload) || upload.sentBytes < provesLinkBytes) return false
    this.#works()
    return true
  }

  /**
   * An upload has ended. That of files which could not even be read says nothing.
   *
   * @param sharing - How many uploads were under way, this one included.
   */
  ended(upload: UploadUnderWay, { files, failure }: ShardResult, sharing: number): void {
    if (failure !== undefined) return this.#failed(upload, failure)
    const answered = upload.candidates.filter((_, index) => files[index]?.status === 'answered')
    if (answered.length === 0) return
    const sizeBytes = answered.reduce((sum, file) => sum + file.sizeBytes, 0)
    const durationMs = this.#options.clock.monotonicMs() - upload.startedAtMs
    this.meter.measured(sizeBytes, durationMs, sharing)
    this.refusals.clear()
    this.#works()
  }

  #failed({ round }: UploadUnderWay, failure: TransferFailure): void {
    const decision = this.decide(failure)
    if (decision.action !== 'hold_all') {
      // The receiver has turned down this message: the link is there.
      if (failure.kind === 'refused') this.#works()
      return
    }
    const { clock, random, giveUpAfterFailures } = this.#options
    const { waitMs, lasting } = decision
    const nowMs = clock.monotonicMs()
    this.#gate.shut({ failure, round, waitMs, nowMs, random: random() })
    if (this.#gate.isOpen) return
    const shutForMs = this.#gate.shutForMs(nowMs)
    this.#reports.failed(failure, shutForMs, nowMs)
    if (giveUpAfterFailures === undefined) return
    const isTooLong = lasting || shutForMs > longestWaitMs
    if (isTooLong || this.#gate.failures >= giveUpAfterFailures) this.#gaveUp ??= failure
  }

  #works(): void {
    this.#gate.open()
    this.#reports.works()
  }
}
