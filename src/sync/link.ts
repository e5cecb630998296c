import type { Clock } from '../base/clock.ts'
import type { NetworkState } from '../probe/network-state.ts'
import type { Log } from '../telemetry/log.ts'
import type { ShardResult } from '../wire/thread-messages.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'
import { Alarm } from './alarm.ts'
import { decideFailure, type FailureDecision } from './failure-decision.ts'
import { LinkGate } from './link-gate.ts'
import { LinkMeter } from './link-meter.ts'
import { LinkReports } from './link-reports.ts'
import { NetworkWatch } from './network-watch.ts'
import { failureOfAsking, patienceMs } from './receiver-question.ts'
import { Suspects } from './suspects.ts'
import type { Transport } from './transport.ts'
import type { UploadUnderWay } from './uploads-under-way.ts'

export interface LinkOptions {
  readonly transport: Pick<Transport, 'probe' | 'dropLost'>
  readonly networkState: () => NetworkState
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
/** What is known of the way to the receiver, from how uploads end and from asking. */
export class Link {
  readonly #options: LinkOptions
  readonly #onChange: () => void
  readonly #gate = new LinkGate()
  readonly #reports: LinkReports
  readonly #alarm: Alarm
  readonly #network: NetworkWatch
  /** How fast it is. */
  readonly meter = new LinkMeter()
  readonly suspects = new Suspects()
  #asking = false
  #resting = false
  #isBusy = false
  #gaveUp: TransferFailure | undefined

  /** @param onChange - Something may be started now that could not be before. */
  constructor(options: LinkOptions, onChange: () => void) {
    this.#options = options
    this.#onChange = onChange
    this.#reports = new LinkReports(options.log)
    const { clock, networkState } = options
    this.#alarm = new Alarm(clock, onChange)
    this.#network = new NetworkWatch({
      clock,
      networkState,
      onChange: (state) => this.#networkChanged(state),
    })
  }

  /** What everything is given up for: for good. */
  get gaveUp(): TransferFailure | undefined {
    return this.#gaveUp
  }

  /** Why everything waits, or was given up. */
  get failure(): TransferFailure | undefined {
    return this.#gaveUp ?? this.#gate.lastFailure
  }

  /** True unless the last thing that was tried, an upload or a question, got no answer or no good one. */
  get isReachable(): boolean {
    return this.#gaveUp === undefined && this.#gate.isAnswered
  }

  /** False after a failure, until something has gone through: until then one upload is tried at a time. */
  get isOpen(): boolean {
    return this.#gate.isOpen
  }

  /** To be kept with each upload that is started. */
  get round(): number {
    return this.#gate.round
  }

  /**
   * True when uploads may start: all, or the one that is tried first. Otherwise sees to it that
   * `onChange` is called when that may have changed. To be asked only when something waits.
   */
  isReady(): boolean {
    const { clock } = this.#options
    const nowMs = clock.monotonicMs()
    const shutForMs = this.#gate.shutForMs(nowMs)
    if (shutForMs > 0) {
      this.#alarm.setTo(nowMs + shutForMs)
      this.#network.run(this.#isBusy || this.#asking || this.#gate.isCutOff)
      return false
    }
    this.#alarm.cancel()
    if (this.#gate.mustAsk) void this.#ask()
    return !this.#gate.mustAsk
  }

  /** To be told when the first upload begins, and when none is under way any more. */
  busy(isBusy: boolean): void {
    this.#isBusy = isBusy
    this.#network.run(this.#isBusy || this.#asking)
  }

  /**
   * True when the upload that is to find out whether all others may start is one of these. One that
   * has hung for so long on this device that its connection would have been given up is none any more.
   */
  isTrying(uploads: { some(matches: (upload: UploadUnderWay) => boolean): boolean }): boolean {
    const nowMs = this.#options.clock.monotonicMs()
    const isTrying = uploads.some(
      (upload) => this.#isTrial(upload) && nowMs - upload.movedAtMs < patienceMs,
    )
    if (isTrying) this.#alarm.setTo(nowMs + patienceMs)
    return isTrying
  }

  /**
   * An upload is further on its way. A large file takes hours: the others need not wait for its answer
   * to know that the link works. True when that is news.
   */
  moved(upload: UploadUnderWay): boolean {
    if (!this.#isTrial(upload) || upload.sentBytes - upload.fromByte < provesLinkBytes) return false
    this.#works()
    return true
  }

  /**
   * An upload has ended. That of files which could not even be read says nothing.
   *
   * @param sharing - How many uploads were under way, this one included.
   * @returns What its failure leads to.
   */
  ended(
    upload: UploadUnderWay,
    { files, failure }: ShardResult,
    sharing: number,
  ): FailureDecision | undefined {
    if (failure !== undefined) return this.#failed(upload.round, failure)
    const answered = upload.candidates.filter((_, index) => files[index]?.status === 'answered')
    if (answered.length === 0) return undefined
    const sizeBytes = answered.reduce((sum, file) => sum + file.sizeBytes, 0)
    const durationMs = this.#options.clock.monotonicMs() - upload.startedAtMs
    this.meter.measured(sizeBytes, durationMs, sharing)
    this.suspects.filesTaken()
    this.#works()
    return undefined
  }

  /** Waits for nothing more, and asks nothing. Frees all timers, once no upload is under way. */
  rest(): void {
    this.#resting = true
    this.#alarm.cancel()
    this.#network.run(this.#isBusy)
  }

  #isTrial({ round }: UploadUnderWay): boolean {
    return !this.#gate.isOpen && round === this.#gate.round
  }

  #failed(round: number, failure: TransferFailure): FailureDecision {
    const decision = decideFailure(failure, this.suspects.isForAll)
    switch (decision.action) {
      case 'put back':
        break
      case 'file later':
      case 'quarantine':
        // The receiver has turned down this message: the link is there.
        this.#works()
        break
      default:
        this.#shut(round, failure, decision.waitMs, decision.isCertain)
        // Said when asking the receiver has confirmed it: it may be for these files after all.
        if (decision.action !== 'hold all, report' || decision.isCertain) this.#report(failure)
    }
    return decision
  }

  /** Asks the receiver who it is: whatever goes wrong with that is no file's fault. */
  async #ask(): Promise<void> {
    if (this.#asking || this.#resting) return
    this.#asking = true
    this.#network.run(true)
    const { transport, clock } = this.#options
    const { round } = this.#gate
    const failure = await failureOfAsking(transport, clock)
    this.#asking = false
    if (this.#resting) return
    this.#network.run(this.#isBusy)
    if (failure === undefined) {
      this.suspects.answered()
      this.#gate.answersAgain()
    } else {
      const { action, waitMs } = decideFailure(failure, false)
      const lasting = action !== 'hold all' && action !== 'hold all, apart'
      this.#shut(round, failure, waitMs, lasting)
      this.#report(failure)
    }
    this.#onChange()
  }

  #shut(
    round: number,
    failure: TransferFailure,
    waitMs: number | undefined,
    lasting: boolean,
  ): void {
    const { clock, random, giveUpAfterFailures } = this.#options
    const nowMs = clock.monotonicMs()
    this.#gate.shut({ failure, round, waitMs, lasting, nowMs, random: random() })
    if (giveUpAfterFailures === undefined || this.#gate.isOpen) return
    const isTooLong = lasting || this.#gate.shutForMs(nowMs) > longestWaitMs
    if (isTooLong || this.#gate.failures >= giveUpAfterFailures) this.#gaveUp ??= failure
  }

  #report(failure: TransferFailure): void {
    if (this.#gate.isOpen) return
    const nowMs = this.#options.clock.monotonicMs()
    this.#reports.failed(failure, this.#gate.shutForMs(nowMs), nowMs)
  }

  /** What was connected from an address that is gone is dead; and there may be a way again. */
  #networkChanged({ addresses, hasAddress }: NetworkState): void {
    const { transport, clock, random } = this.#options
    if (addresses !== undefined) transport.dropLost(addresses)
    // Without an address there is nothing to try.
    if (hasAddress && this.#gate.knock(clock.monotonicMs(), random())) this.#onChange()
  }

  #works(): void {
    this.suspects.answered()
    this.#gate.open()
    this.#reports.works()
  }
}
