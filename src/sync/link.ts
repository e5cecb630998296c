import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { NetworkState } from '../probe/network-state.ts'
import type { Candidate } from '../scan/candidate.ts'
import type { Log } from '../telemetry/log.ts'
import type { ShardResult } from '../wire/thread-messages.ts'
import type { TransferFailure, TransferFailureKind } from '../wire/transfer-failure.ts'
import { Alarm } from './alarm.ts'
import { BrokenUploads } from './broken-uploads.ts'
import { decideFailure, type FailureDecision } from './failure-decision.ts'
import { LinkGate } from './link-gate.ts'
import { LinkMeter } from './link-meter.ts'
import { LinkReports } from './link-reports.ts'
import { NetworkWatch } from './network-watch.ts'
import { Refusals } from './refusals.ts'
import type { Transport } from './transport.ts'
import type { UploadUnderWay } from './uploads-under-way.ts'

export interface LinkOptions {
  readonly transport: Pick<Transport, 'probe'>
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
/** Longer than a connection takes to be given up; beyond it, what carries a question hangs itself. */
const patienceMs = 90_000
/** Tries of a file alone, before it is set aside for what the receiver thinks of it. */
const triesBeforeSetAside = 3

/** What a file can do to the connection, or to the thread, that it is sent by. */
const breakingKinds: ReadonlySet<TransferFailureKind> = new Set([
  'connection_lost',
  'stalled',
  'fault_here',
])

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
  readonly #refusals = new Refusals()
  readonly #broken = new BrokenUploads()
  #asking = false
  #resting = false
  #gaveUp: TransferFailure | undefined

  /** @param onChange - Something may be started now that could not be before. */
  constructor(options: LinkOptions, onChange: () => void) {
    this.#options = options
    this.#onChange = onChange
    this.#reports = new LinkReports(options.log)
    const { clock, networkState } = options
    this.#alarm = new Alarm(clock, onChange)
    this.#network = new NetworkWatch({ clock, networkState, onChange: () => this.#knock() })
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
      if (this.#gate.isCutOff) this.#network.start()
      return false
    }
    this.#alarm.cancel()
    this.#network.stop()
    if (this.#gate.mustAsk) void this.#ask()
    return !this.#gate.mustAsk
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
    if (!this.#isTrial(upload) || upload.sentBytes < provesLinkBytes) return false
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
    this.#refusals.clear()
    this.#works()
    return undefined
  }

  /** True when everything waits, and it may yet be for this file. Asked once for each try. */
  mayBreakIt(
    candidate: Candidate,
    { sentBytes }: UploadUnderWay,
    { kind }: TransferFailure,
    { action }: FailureDecision,
    wasHeld: boolean,
  ): boolean {
    // A refusal of everything may be one of this file, too.
    const isRefused = kind === 'refused' && action === 'hold all, report'
    if (!isRefused && !breakingKinds.has(kind)) return false
    return this.#broken.brokeOff(candidate, sentBytes, wasHeld)
  }

  /** This file was tried alone, and is to blame. True when it is time to set it aside. */
  blame(culprit: Candidate, failure: TransferFailure, { action }: FailureDecision): boolean {
    // However many: what is too large for the receiver, or breaks a connection, says nothing of the rest.
    if (failure.kind !== 'refused' || failure.status === 413) return false
    if (action === 'hold all, apart') return false
    this.#refusals.blame(culprit)
    if (action !== 'quarantine') return false
    const isOver = this.#refusals.count(culprit) >= triesBeforeSetAside
    if (isOver) this.#refusals.forget(culprit.path)
    return isOver
  }

  /** Waits for nothing more, and asks nothing. Frees all timers. */
  rest(): void {
    this.#resting = true
    this.#alarm.cancel()
    this.#network.stop()
  }

  #isTrial({ round }: UploadUnderWay): boolean {
    return !this.#gate.isOpen && round === this.#gate.round
  }

  #failed(round: number, failure: TransferFailure): FailureDecision {
    const decision = decideFailure(failure, this.#refusals.concernEverything)
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
    const { round } = this.#gate
    const failure = await this.#failureOfAsking()
    this.#asking = false
    if (this.#resting) return
    if (failure === undefined) {
      this.#broken.answered()
      this.#gate.answersAgain()
    } else {
      const { action, waitMs } = decideFailure(failure, false)
      const lasting = action !== 'hold all' && action !== 'hold all, apart'
      this.#shut(round, failure, waitMs, lasting)
      this.#report(failure)
    }
    this.#onChange()
  }

  async #failureOfAsking(): Promise<TransferFailure | undefined> {
    const { transport, clock } = this.#options
    const answered = new AbortController()
    const tooLate = clock.sleep(patienceMs, answered.signal).then((): TransferFailure => {
      return { kind: 'stalled', detail: 'a question to the receiver came to no end' }
    })
    try {
      const answer = await Promise.race([transport.probe(), tooLate])
      return 'kind' in answer ? answer : undefined
    } catch (error) {
      return { kind: 'fault_here', detail: `a worker thread ended: ${messageOf(error)}` }
    } finally {
      answered.abort()
    }
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

  /** The network of this device has changed. */
  #knock(): void {
    const { clock, random } = this.#options
    if (this.#gate.knock(clock.monotonicMs(), random())) this.#onChange()
  }

  #works(): void {
    this.#broken.answered()
    this.#gate.open()
    this.#reports.works()
  }
}
