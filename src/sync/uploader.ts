import type { BytePath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Candidate } from '../scan/candidate.ts'
import type { Log } from '../telemetry/log.ts'
import type { Progress, Shard, ShardResult } from '../wire/thread-messages.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'
import type { Concurrency } from './concurrency.ts'
import { decideFailure } from './failure-decision.ts'
import type { HeldFiles } from './held-files.ts'
import { LinkGate } from './link-gate.ts'
import { LinkMeter } from './link-meter.ts'
import type { Settler } from './settler.ts'
import type { Transport } from './transport.ts'
import { WorkQueue } from './work-queue.ts'

export interface UploaderOptions {
  readonly transport: Transport
  readonly concurrency: Concurrency
  readonly settler: Settler
  readonly held: HeldFiles
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  /**
   * After so many failures of the link in a row, or one that a person must mend, everything that waits
   * is given up: for a single pass. Undefined: never, as the daemon does it.
   */
  readonly giveUpAfterFailures: number | undefined
  /** A file that was waiting when this uploader gave up. */
  readonly onGivenUp: (path: BytePath) => void
}

/** Read and not yet acknowledged, in the whole daemon. */
const maxBytesInFlight = 32 * 1024 * 1024
/** A large file counts with its buffers, not with its size. */
const singleUploadBytes = 2 * 1024 * 1024
/** Tries of a file alone, before it is set aside for what the receiver thinks of it. */
const suspectTries = 3

interface InFlight {
  readonly candidates: readonly Candidate[]
  readonly kind: 'bundle' | 'single'
  readonly startedAtMs: number
  readonly countedBytes: number
  sentBytes: number
}

/** What an upload under way looks like from outside. */
export interface UploadView {
  readonly path: BytePath
  readonly files: number
  readonly sizeBytes: number
  readonly sentBytes: number
}

/**
 * Keeps as many uploads under way as are allowed, from the candidates it is given, and sees each file
 * to its end. A file that must be retried holds nothing but its name (invariant 4).
 */
export class Uploader {
  readonly #options: UploaderOptions
  readonly #queue = new WorkQueue()
  readonly #gate = new LinkGate()
  readonly #meter = new LinkMeter()
  /** Everything that waits, is under way or is being settled. */
  readonly #taken = new Set<BytePath>()
  readonly #inFlight = new Map<number, InFlight>()
  readonly #whenChanged = new Set<() => void>()
  readonly #wakeUp = new AbortController()
  #settling = 0
  #singles = 0
  #bytesInFlight = 0
  #nextShardId = 1
  #stopped = false
  #gaveUp: TransferFailure | undefined
  #waiting = false

  constructor(options: UploaderOptions) {
    this.#options = options
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
    return this.#gaveUp ?? this.#gate.lastFailure
  }

  get gaveUp(): boolean {
    return this.#gaveUp !== undefined
  }

  get stopped(): boolean {
    return this.#stopped
  }

  isTaken(path: BytePath): boolean {
    return (
      this.#taken.has(path) || this.#options.held.isHeld(path, this.#options.clock.monotonicMs())
    )
  }

  add(candidates: readonly Candidate[]): void {
    const fresh = candidates.filter(({ path }) => !this.#taken.has(path))
    for (const { path } of fresh) this.#taken.add(path)
    this.#queue.add(fresh)
    if (this.#gaveUp !== undefined) this.#giveUpWaiting()
    this.#pump()
  }

  onProgress(progress: Progress): void {
    for (const { shardId, sentBytes } of progress) {
      const upload = this.#inFlight.get(shardId)
      if (upload !== undefined) upload.sentBytes = sentBytes
    }
  }

  uploads(): readonly UploadView[] {
    return [...this.#inFlight.values()].map(({ candidates, sentBytes }) => ({
      path: candidates[0]!.path,
      files: candidates.length,
      sizeBytes: candidates.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      sentBytes,
    }))
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
    this.#wakeUp.abort()
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
    return this.#inFlight.size === 0 && this.#settling === 0
  }

  #pump(): void {
    while (!this.#stopped) {
      const shutForMs = this.#gate.shutForMs(this.#options.clock.monotonicMs())
      if (shutForMs > 0) {
        if (this.#queue.files > 0) this.#pumpAfter(shutForMs)
        return
      }
      const next = this.#nextShard()
      if (next === undefined) return
      void this.#run(next.kind, next.candidates)
    }
  }

  #pumpAfter(delayMs: number): void {
    if (this.#waiting) return
    this.#waiting = true
    void this.#options.clock.sleep(delayMs, this.#wakeUp.signal).then(() => {
      this.#waiting = false
      this.#pump()
    })
  }

  #nextShard():
    | { readonly kind: 'bundle' | 'single'; readonly candidates: readonly Candidate[] }
    | undefined {
    const { threads, uploadsPerThread, singleUploads } = this.#options.concurrency
    const slots = this.#gate.allowed(threads * uploadsPerThread)
    // Results are settled on this thread: where it cannot keep up, no more of them are asked for.
    if (this.#inFlight.size >= slots || this.#settling > slots) return undefined
    if (this.#queue.hasSingle() && this.#singles < singleUploads) {
      return { kind: 'single', candidates: this.#queue.takeSingle() }
    }
    const limits = this.#meter.bundleLimits(Math.max(1, this.#inFlight.size))
    if (this.#queue.hasBundle() && this.#bytesInFlight + limits.payloadBytes <= maxBytesInFlight) {
      return { kind: 'bundle', candidates: this.#queue.takeBundle(limits) }
    }
    return undefined
  }

  async #run(kind: 'bundle' | 'single', candidates: readonly Candidate[]): Promise<void> {
    const { transport, clock, settler } = this.#options
    const shard: Shard = { id: this.#nextShardId++, kind, files: candidates }
    const payloadBytes = candidates.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    const upload: InFlight = {
      candidates,
      kind,
      startedAtMs: clock.monotonicMs(),
      countedBytes: kind === 'single' ? singleUploadBytes : payloadBytes,
      sentBytes: 0,
    }
    this.#enter(shard.id, upload)
    let result: ShardResult
    try {
      result = await transport.upload(shard)
    } catch (error) {
      result = lost(candidates, error)
    }
    const others = this.#inFlight.size
    this.#leave(shard.id, upload)
    if (result.failure === undefined) {
      this.#gate.open()
      this.#meter.measured(payloadBytes, clock.monotonicMs() - upload.startedAtMs, others)
    } else {
      this.#shutIfNeeded(result.failure)
    }
    this.#settling += 1
    this.#pump()
    const notSent = await settler.settle(candidates, result)
    this.#settling -= 1
    if (result.failure !== undefined) this.#decide(result.failure, kind, notSent)
    else this.#putBack(notSent)
    const left = new Set(notSent)
    for (const candidate of candidates) {
      if (!left.has(candidate)) this.#taken.delete(candidate.path)
    }
    this.#changed()
    this.#pump()
  }

  #enter(shardId: number, upload: InFlight): void {
    this.#inFlight.set(shardId, upload)
    this.#bytesInFlight += upload.countedBytes
    if (upload.kind === 'single') this.#singles += 1
  }

  #leave(shardId: number, upload: InFlight): void {
    this.#inFlight.delete(shardId)
    this.#bytesInFlight -= upload.countedBytes
    if (upload.kind === 'single') this.#singles -= 1
  }

  #shutIfNeeded(failure: TransferFailure): void {
    const decision = decideFailure(failure)
    if (decision.action !== 'hold_all') {
      // The receiver has answered: the link is there.
      if (failure.kind === 'refused') this.#gate.open()
      return
    }
    const { clock, random, log, giveUpAfterFailures } = this.#options
    const wasShutFor = this.#gate.lastFailure?.kind
    this.#gate.shut(failure, decision.waitMs, clock.monotonicMs(), random())
    if (wasShutFor !== failure.kind) {
      log.warn('uploads_held', `everything waits: ${failure.detail}`, {
        code: failure.problemCode ?? failure.kind,
        wait_s: Math.round(this.#gate.shutForMs(clock.monotonicMs()) / 100) / 10,
      })
    }
    if (giveUpAfterFailures === undefined) return
    if (decision.lasting || this.#gate.failures >= giveUpAfterFailures) {
      this.#gaveUp = failure
      this.#giveUpWaiting()
    }
  }

  #decide(
    failure: TransferFailure,
    kind: 'bundle' | 'single',
    candidates: readonly Candidate[],
  ): void {
    const decision = decideFailure(failure)
    const [first] = candidates
    if (first === undefined) return
    switch (decision.action) {
      case 'put_back':
      case 'hold_all':
        return this.#putBack(candidates)
      case 'suspect_files':
      case 'too_large':
        if (kind === 'bundle' && candidates.length > 1) return this.#splitUp(candidates)
        this.#taken.delete(first.path)
        return decision.action === 'too_large'
          ? this.#options.settler.retryLater(first, failure.detail)
          : this.#suspect(first, failure.detail)
      default:
        return decision satisfies never
    }
  }

  #suspect(candidate: Candidate, detail: string): void {
    const { held, settler } = this.#options
    if (held.attempts(candidate.path) + 1 >= suspectTries) settler.setAside(candidate, detail)
    else settler.retryLater(candidate, detail)
  }

  /** Halves, until the file to blame is alone; the others are stored on the way. */
  #splitUp(candidates: readonly Candidate[]): void {
    const middle = Math.ceil(candidates.length / 2)
    this.#queue.addGroup(candidates.slice(0, middle))
    this.#queue.addGroup(candidates.slice(middle))
  }

  #putBack(candidates: readonly Candidate[]): void {
    this.#queue.add(candidates)
    if (this.#gaveUp !== undefined) this.#giveUpWaiting()
  }

  #giveUpWaiting(): void {
    for (const { path } of this.#queue.clear()) {
      this.#options.onGivenUp(path)
      this.#taken.delete(path)
    }
    this.#changed()
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
    failure: { kind: 'connection_lost', detail: `a worker thread ended: ${messageOf(error)}` },
  }
}
