import type { BytePath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Candidate } from '../scan/candidate.ts'
import type { Log } from '../telemetry/log.ts'
import type { Progress, Shard, ShardResult } from '../wire/thread-messages.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'
import { Alarm } from './alarm.ts'
import type { Concurrency } from './concurrency.ts'
import type { HeldFiles } from './held-files.ts'
import { Link } from './link.ts'
import { nextUpload } from './next-upload.ts'
import type { Settler } from './settler.ts'
import type { Transport } from './transport.ts'
import { UploadsUnderWay, type UploadView } from './uploads-under-way.ts'
import { type ShardKind, WorkQueue } from './work-queue.ts'

export interface UploaderOptions {
  readonly transport: Transport
  readonly concurrency: Concurrency
  readonly settler: Pick<Settler, 'settle' | 'owes' | 'removeOwed' | 'retryLater' | 'setAside'>
  readonly held: HeldFiles
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

/** Tries of a file alone, before it is set aside for what the receiver thinks of it. */
const suspectTries = 3

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
  readonly #underWay = new UploadsUnderWay()
  readonly #alarm: Alarm
  readonly #whenChanged = new Set<() => void>()
  #settling = 0
  #nextShardId = 1
  #lastStarted: ShardKind | undefined
  #stopped = false

  constructor(options: UploaderOptions) {
    this.#options = options
    this.#link = new Link(options)
    this.#alarm = new Alarm(options.clock, () => this.#pump())
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
    this.#queue.add(fresh)
    this.#giveUpIfOver()
    this.#pump()
  }

  onProgress(progress: Progress): void {
    for (const { shardId, sentBytes } of progress) {
      const upload = this.#underWay.progress(shardId, sentBytes)
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
    this.#alarm.cancel()
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
    while (!this.#stopped) {
      const nowMs = this.#options.clock.monotonicMs()
      const shutForMs = this.#link.shutForMs(nowMs)
      if (shutForMs > 0) {
        if (this.#queue.files > 0) this.#alarm.setTo(nowMs + shutForMs)
        return
      }
      const kind = this.#nextKind()
      if (kind === undefined) return
      const limits = this.#link.meter.bundleLimits(this.#underWay.count + 1)
      const candidates =
        kind === 'single' ? this.#queue.takeSingle() : this.#queue.takeBundle(limits)
      void this.#run(kind, candidates)
    }
  }

  #nextKind(): ShardKind | undefined {
    const { uploads, singleUploads } = this.#options.concurrency
    const isProbe = !this.#link.isOpen
    if (isProbe && this.#underWay.some((upload) => this.#link.isProbe(upload))) return undefined
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
    this.#lastStarted = kind
    let result: ShardResult
    try {
      result = await this.#options.transport.upload(shard)
    } catch (error) {
      result = lost(candidates, error)
    }
    const sharing = this.#underWay.count
    this.#underWay.remove(upload)
    this.#settling += 1
    let waitAgain: readonly Candidate[] = []
    try {
      this.#link.ended(upload, result, sharing)
      this.#pump()
      const notSent = await this.#options.settler.settle(candidates, result)
      waitAgain = this.#decide(result.failure, kind, notSent)
    } catch (error) {
      this.#reportBug(error)
    }
    this.#settling -= 1
    this.#release(candidates, waitAgain)
  }

  async #removeOwed(candidates: readonly Candidate[]): Promise<void> {
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
      if (!waiting.has(candidate)) this.#taken.delete(candidate.path)
    }
    this.#giveUpIfOver()
    this.#changed()
    this.#pump()
  }

  /** Says what becomes of files that were not sent. Returns those that wait again. */
  #decide(
    failure: TransferFailure | undefined,
    kind: ShardKind,
    candidates: readonly Candidate[],
  ): readonly Candidate[] {
    const [first] = candidates
    if (first === undefined) return []
    const { settler } = this.#options
    if (failure === undefined) {
      for (const each of candidates)
        settler.retryLater(each, 'the thread did not say what became of it')
      return []
    }
    const decision = this.#link.decide(failure)
    const isTogether = kind === 'bundle' && candidates.length > 1
    switch (decision.action) {
      case 'put_back':
        return this.#putBack(candidates)
      case 'hold_all':
        if (!decision.apart) return this.#putBack(candidates)
        if (isTogether) return this.#splitUp(candidates)
        settler.retryLater(first, failure.detail)
        return []
      case 'suspect_files':
      case 'too_large':
        if (isTogether) return this.#splitUp(candidates)
        if (decision.action === 'too_large') settler.retryLater(first, failure.detail)
        else this.#suspect(first, failure.detail)
        return []
      default:
        return decision satisfies never
    }
  }

  #putBack(candidates: readonly Candidate[]): readonly Candidate[] {
    this.#queue.add(candidates)
    return candidates
  }

  #suspect(candidate: Candidate, detail: string): void {
    const { held, settler } = this.#options
    this.#link.refusals.blame(candidate.path)
    if (held.attempts(candidate) + 1 >= suspectTries) settler.setAside(candidate, detail)
    else settler.retryLater(candidate, detail)
  }

  /** Halves, until the file to blame is alone; the others are stored on the way. */
  #splitUp(candidates: readonly Candidate[]): readonly Candidate[] {
    const middle = Math.ceil(candidates.length / 2)
    this.#queue.addGroup(candidates.slice(0, middle))
    this.#queue.addGroup(candidates.slice(middle))
    return candidates
  }

  #giveUpIfOver(): void {
    if (!this.gaveUp) return
    this.#alarm.cancel()
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
    failure: { kind: 'connection_lost', detail: `a worker thread ended: ${messageOf(error)}` },
  }
}
