import type { BytePath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { NetworkState } from '../probe/network-state.ts'
import type { Candidate } from '../scan/candidate.ts'
import type { Log } from '../telemetry/log.ts'
import type { Progress, Shard, ShardResult } from '../wire/thread-messages.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'
import type { Concurrency } from './concurrency.ts'
import { type FailureDecision, withoutDeviceFaults } from './failure-decision.ts'
import type { HeldFiles } from './held-files.ts'
import { Link } from './link.ts'
import { nextUpload } from './next-upload.ts'
import { sortNotSent } from './not-sent.ts'
import type { Settler } from './settler.ts'
import type { Transport } from './transport.ts'
import { UploadsUnderWay, type UploadUnderWay, type UploadView } from './uploads-under-way.ts'
import { type ShardKind, WorkQueue } from './work-queue.ts'

export interface UploaderOptions {
  readonly transport: Transport
  readonly concurrency: Concurrency
  readonly settler: Pick<Settler, 'settle' | 'owes' | 'removeOwed' | 'retryLater' | 'setAside'>
  readonly held: HeldFiles
  readonly networkState: () => NetworkState
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  /**
   * After so many failures of the link in a row, or one that a person must mend, or that asks for more
   * than a few seconds, everything that waits is given up: for a single pass. Undefined: never, as the
   * daemon does it.
   */
  readonly giveUpAfterFailures: number | undefined
  /** A file that was waiting when this uploader gave up. */
  readonly onGivenUp: (path: BytePath) => void
}

export type { UploadView } from './uploads-under-way.ts'

/**
 * Keeps as many uploads under way as are allowed, from the candidates it is given, and sees each file
 * to its end. A file that must be retried holds nothing but its name (invariant 4).
 */
export class Uploader {
  readonly #options: UploaderOptions
  readonly #queue = new WorkQueue()
  readonly #link: Link
  /** Everything that waits, is under way or is being settled. */
  readonly #taken = new Set<BytePath>()
  /** Those of them that do not only wait. */
  readonly #busy = new Set<BytePath>()
  readonly #underWay = new UploadsUnderWay()
  readonly #whenChanged = new Set<() => void>()
  #settling = 0
  #nextShardId = 1
  #lastStarted: ShardKind | undefined
  #stopped = false

  constructor(options: UploaderOptions) {
    this.#options = options
    this.#link = new Link(options, () => {
      this.#giveUpIfOver()
      this.#pump()
    })
  }

  /** Files that wait, are under way or are being settled. */
  get taken(): number {
    return this.#taken.size
  }

  get waitingFiles(): number {
    return this.#queue.files
  }

  get waitingBytes(): number {
    return this.#queue.bytes
  }

  /** Why everything waits, or waited when this uploader gave up. */
  get linkFailure(): TransferFailure | undefined {
    return this.#link.failure
  }

  /** True unless the last thing that was tried, an upload or a question, got no answer or no good one. */
  get isReachable(): boolean {
    return this.#link.isReachable
  }

  get gaveUp(): boolean {
    return this.#link.gaveUp !== undefined
  }

  get stopped(): boolean {
    return this.#stopped
  }

  isTaken(path: BytePath): boolean {
    return (
      this.#taken.has(path) || this.#options.held.isHeld(path, this.#options.clock.monotonicMs())
    )
  }

  /** On its way or being settled: a file that only waits is not. */
  isUnderWay(path: BytePath): boolean {
    return this.#busy.has(path)
  }

  /** Takes those over that it has not yet. A stopped uploader takes none. */
  add(candidates: readonly Candidate[]): void {
    if (this.#stopped) return
    const owed: Candidate[] = []
    const fresh: Candidate[] = []
    for (const candidate of candidates) {
      if (this.#taken.has(candidate.path)) continue
      this.#taken.add(candidate.path)
      if (this.#options.settler.owes(candidate)) owed.push(candidate)
      else fresh.push(candidate)
    }
    if (owed.length > 0) void this.#removeOwed(owed)
    this.#queueUp(fresh)
    this.#giveUpIfOver()
    this.#pump()
  }

  onProgress(progress: Progress): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const news of progress) {
      const upload = this.#underWay.progress(news, nowMs)
      if (upload !== undefined && this.#link.moved(upload)) this.#pump()
    }
  }

  uploads(): readonly UploadView[] {
    return this.#underWay.views()
  }

  /** Resolves when fewer than `files` are waiting, or the uploader has been stopped. */
  async whenBelow(files: number): Promise<void> {
    while (this.#queue.files >= files && !this.#stopped) await this.#change()
  }

  /** Resolves when nothing waits and nothing is under way. */
  async whenIdle(): Promise<void> {
    while (this.#taken.size > 0 && !(this.#stopped && this.#isQuiet())) await this.#change()
  }

  /** Starts nothing more. */
  halt(): void {
    this.#stopped = true
    this.#link.rest()
    this.#changed()
  }

  /**
   * Starts nothing more, and resolves when what is under way has ended. Large uploads are broken off
   * after `patienceMs`.
   */
  async stop(patienceMs: number): Promise<void> {
    this.halt()
    const patience = new AbortController()
    const late = this.#options.clock.sleep(patienceMs, patience.signal).then(() => {
      if (!patience.signal.aborted) this.#options.transport.stopUploads()
    })
    while (!this.#isQuiet()) await this.#change()
    patience.abort()
    await late
  }

  #isQuiet(): boolean {
    return this.#underWay.count === 0 && this.#settling === 0
  }

  #pump(): void {
    while (!this.#stopped && this.#queue.files > 0 && this.#link.isReady()) {
      const kind = this.#nextKind()
      if (kind === undefined) return
      const limits = this.#link.meter.bundleLimits(this.#underWay.count + 1)
      const candidates =
        kind === 'single'
          ? this.#queue.takeSingle()
          : this.#queue.takeBundle(limits, !this.#link.isOpen)
      void this.#run(kind, candidates)
    }
  }

  #nextKind(): ShardKind | undefined {
    const { uploads, singleUploads } = this.#options.concurrency
    const isProbe = !this.#link.isOpen
    if (isProbe && this.#link.isTrying(this.#underWay)) return undefined
    // Results are settled on this thread: where it cannot keep up, no more of them are asked for.
    if (this.#settling > uploads) return undefined
    return nextUpload({
      bundleWaits: this.#queue.hasBundle(),
      singleWaits: this.#queue.hasSingle(),
      inFlight: this.#underWay.count,
      singles: this.#underWay.singles,
      bytesInFlight: this.#underWay.bytes,
      uploads,
      singleUploads,
      isProbe,
      lastStarted: this.#lastStarted,
    })
  }

  /** One upload from its start to the end of all of its files. Never rejects. */
  async #run(kind: ShardKind, candidates: readonly Candidate[]): Promise<void> {
    const shard: Shard = { id: this.#nextShardId++, kind, files: candidates }
    const startedAtMs = this.#options.clock.monotonicMs()
    const { round } = this.#link
    const upload = this.#underWay.add({ shardId: shard.id, kind, candidates, startedAtMs, round })
    for (const { path } of candidates) this.#busy.add(path)
    this.#link.busy(true)
    this.#lastStarted = kind
    let result: ShardResult
    try {
      result = withoutDeviceFaults(await this.#options.transport.upload(shard))
    } catch (error) {
      result = lost(candidates, error)
    }
    const sharing = this.#underWay.count
    this.#underWay.remove(upload)
    if (this.#underWay.count === 0) this.#link.busy(false)
    this.#settling += 1
    let waitAgain: readonly Candidate[] = []
    try {
      const decision = this.#link.ended(upload, result, sharing)
      this.#pump()
      const notSent = await this.#options.settler.settle(candidates, result)
      waitAgain = this.#sort(upload, notSent, result.failure, decision)
    } catch (error) {
      this.#reportBug(error)
    }
    this.#settling -= 1
    this.#release(candidates, waitAgain)
  }

  async #removeOwed(candidates: readonly Candidate[]): Promise<void> {
    for (const { path } of candidates) this.#busy.add(path)
    this.#settling += 1
    try {
      await this.#options.settler.removeOwed(candidates)
    } catch (error) {
      this.#reportBug(error)
    }
    this.#settling -= 1
    this.#release(candidates, [])
  }

  /** Those that wait again stay taken; the others are the next scan's. */
  #release(candidates: readonly Candidate[], waitAgain: readonly Candidate[]): void {
    const waiting = new Set(waitAgain)
    for (const candidate of candidates) {
      this.#busy.delete(candidate.path)
      if (!waiting.has(candidate)) this.#taken.delete(candidate.path)
    }
    this.#giveUpIfOver()
    this.#changed()
    this.#pump()
  }

  /** Sees to files that were not sent. Returns those that wait again. */
  #sort(
    upload: UploadUnderWay,
    candidates: readonly Candidate[],
    failure: TransferFailure | undefined,
    decision: FailureDecision | undefined,
  ): readonly Candidate[] {
    const { settler, held } = this.#options
    if (failure === undefined || decision === undefined) {
      for (const each of candidates)
        settler.retryLater(each, 'the thread did not say what became of it')
      return []
    }
    const { putBack, groups, culprit } = sortNotSent(decision, candidates, (candidate) => {
      const wasHeld = held.attempts(candidate) > 0
      return this.#link.suspects.mayBreakIt(candidate, upload, failure, decision, wasHeld)
    })
    this.#queueUp(putBack)
    for (const group of groups) this.#queue.addGroup(group)
    if (culprit !== undefined) {
      if (this.#link.suspects.blame(culprit, failure, decision))
        settler.setAside(culprit, failure.detail)
      else settler.retryLater(culprit, failure.detail)
    }
    return [...putBack, ...groups.flat()]
  }

  #queueUp(candidates: readonly Candidate[]): void {
    const { held } = this.#options
    if (held.size === 0) return this.#queue.add(candidates)
    const hasFailed = (candidate: Candidate) => held.attempts(candidate) > 0
    for (const each of candidates.filter(hasFailed)) this.#queue.addAlone(each)
    this.#queue.add(candidates.filter((candidate) => !hasFailed(candidate)))
  }

  #giveUpIfOver(): void {
    if (!this.gaveUp) return
    this.#link.rest()
    for (const { path } of this.#queue.clear()) {
      this.#options.onGivenUp(path)
      this.#taken.delete(path)
    }
    this.#changed()
  }

  #reportBug(error: unknown): void {
    this.#options.log.error('internal_error', 'a bug of Longshore: its files stay here', {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
  }

  #changed(): void {
    for (const wake of this.#whenChanged) wake()
    this.#whenChanged.clear()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#whenChanged.add(resolve))
  }
}

/** The thread died: what it did is not known, so nothing was sent, as far as we are concerned. */
function lost(candidates: readonly Candidate[], error: unknown): ShardResult {
  return {
    files: candidates.map(() => ({ status: 'not_sent' })),
    failure: { kind: 'fault_here', detail: `a worker thread ended: ${messageOf(error)}` },
  }
}
