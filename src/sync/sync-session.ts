import { randomBytes } from 'node:crypto'
import { availableParallelism, totalmem } from 'node:os'
import { constrainedMemory } from 'node:process'
import { type BytePath, showPath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { realPath } from '../base/real-path.ts'
import type { Config, DiskFullConfig } from '../config/config.ts'
import { networkState } from '../probe/network-state.ts'
import { OpenWriterLookup } from '../probe/open-writer-lookup.ts'
import type { Candidate, NotReadyReason } from '../scan/candidate.ts'
import { defaultExclude, excludeMatcher } from '../scan/exclude.ts'
import { Scanner } from '../scan/scanner.ts'
import type { Writers } from '../scan/writers-rule.ts'
import type { Log } from '../telemetry/log.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'
import type { ReceiverDescription, WorkerData } from '../wire/worker-data.ts'
import { concurrencyFor, usableMemoryBytes } from './concurrency.ts'
import { EmptiedFolders } from './emptied-folders.ts'
import { Evictor } from './evictor.ts'
import { type HeldCounts, HeldFiles } from './held-files.ts'
import { ReportOnce } from './report-once.ts'
import { RootGuard, type RootState } from './root-guard.ts'
import { Settler } from './settler.ts'
import { SyncStats } from './sync-stats.ts'
import { UploadPool } from './upload-pool.ts'
import { Uploader } from './uploader.ts'

export interface SyncSessionOptions {
  readonly config: Config
  readonly workerEntryUrl: URL
  readonly unsafeReason: (path: BytePath) => string | undefined
  readonly clock: Clock
  readonly log: Log
  /** A single pass gives up when the receiver cannot be reached; the daemon never does. */
  readonly mode: 'single pass' | 'daemon'
  /** A connection on which nothing moves for this long is given up; default: a minute. */
  readonly stallMs?: number
}

/** What one scan found, besides what it gave to the uploader. */
export interface ScanSummary {
  readonly ready: { readonly files: number; readonly bytes: number }
  readonly notReady: ReadonlyMap<NotReadyReason, number>
  readonly roots: readonly RootState[]
}

/** No more candidates than this wait: the walk stops until there is room. */
const maxWaiting = 20_000
const progressEveryMs = 200
/** One for all sessions of this process: a changed config is not another device. */
const processInstance = randomBytes(16).toString('hex')
const stallMs = 60_000
/** A single pass tries that often before it says that the receiver cannot be reached. */
const triesInSinglePass = 3
/** Whether a root may be worked on is looked at this often while a scan goes on. */
const rootsGoodForMs = 30_000

/**
 * Everything that works on one config: the roots, the scanner, the uploader and its threads. `sync`
 * runs one pass with it, the daemon one after another. The caller closes it.
 */
export class SyncSession {
  readonly stats = new SyncStats()
  /** Undefined unless the config asks for the disk-full rule. */
  readonly evictor: Evictor | undefined
  readonly #options: SyncSessionOptions
  readonly #roots: RootGuard
  readonly #pool: UploadPool
  readonly #uploader: Uploader
  readonly #scanner: Scanner
  readonly #held = new HeldFiles()
  /** Undefined unless the config asks for it. */
  readonly #emptied: EmptiedFolders | undefined
  readonly #reports: ReportOnce
  #notReady = new Map<NotReadyReason, number>()
  #rootStates = new Map<BytePath, RootState['state']>()
  #captureDir: BytePath
  #lookingAtRoots: Promise<readonly RootState[]> | undefined

  constructor(options: SyncSessionOptions) {
    this.#options = options
    const { config, clock, log, mode } = options
    const { dataManager } = config
    this.#captureDir = realPath(dataManager.captureDir)
    const writers = new OpenWriterLookup({ clock })
    const lookUpWriters = async (notBeforeMs?: number) => ({
      open: await writers.lookup(notBeforeMs === undefined ? {} : { notBeforeMs }),
      captureRuns: this.#roots.viamServerRuns,
    })
    this.#reports = new ReportOnce(log)
    this.#roots = new RootGuard({
      configured: [dataManager.captureDir, ...dataManager.additionalSyncPaths],
      unsafeReason: options.unsafeReason,
      clock,
    })
    const concurrency = concurrencyFor({
      maxThreads: dataManager.maximumNumSyncThreads,
      uploadsInFlight: dataManager.uploadsInFlight,
      cores: availableParallelism(),
      memoryBytes: usableMemoryBytes(totalmem(), constrainedMemory()),
    })
    this.#pool = new UploadPool({
      workerEntryUrl: options.workerEntryUrl,
      workerData: { ...workerDataFor(config), stallMs: options.stallMs ?? stallMs },
      concurrency,
      onProgress: (progress) => this.#uploader.onProgress(progress),
      onThreadError: (error) => {
        log.error('thread_died', 'a worker thread ended', { error: messageOf(error) })
      },
    })
    if (dataManager.removeEmptyFolders) {
      this.#emptied = new EmptiedFolders({
        clock,
        captureDir: () => this.#captureDir,
        roots: () => dataManager.additionalSyncPaths.map(realPath),
      })
    }
    const settler = new Settler({
      clock,
      captureDir: () => this.#captureDir,
      lookUpWriters,
      writersGoodForMs: Math.min(1000, dataManager.quietMs),
      held: this.#held,
      emptied: this.#emptied,
      stats: this.stats,
      log,
      random: Math.random,
    })
    this.#uploader = new Uploader({
      transport: this.#pool,
      concurrency,
      settler,
      held: this.#held,
      networkState,
      clock,
      log,
      random: Math.random,
      giveUpAfterFailures: mode === 'single pass' ? triesInSinglePass : undefined,
      onGivenUp: () => {
        this.stats.retried += 1
      },
    })
    this.#scanner = new Scanner({
      clock,
      quietMs: dataManager.quietMs,
      isExcluded: excludeMatcher(defaultExclude),
      isTaken: (path) => this.#uploader.isTaken(path),
      lookUpWriters,
      onNotReady: (path, reason) => this.#onNotReady(path, reason),
      restWhenIdle: mode === 'daemon',
      isStopped: () => this.#uploader.stopped,
    })
    // It uses a look for a second itself: one that is old already would serve for two.
    const lookNow = () => lookUpWriters(clock.monotonicMs())
    this.evictor = dataManager.diskFull && this.#makeEvictor(dataManager.diskFull, lookNow)
  }

  get viamServerRuns(): boolean {
    return this.#roots.viamServerRuns
  }

  get uploader(): Uploader {
    return this.#uploader
  }

  /** What waits for another try now. */
  held(): HeldCounts {
    return this.#held.counts(this.#options.clock.monotonicMs())
  }

  get threads(): number {
    return this.#pool.threads
  }

  /** Which roots may be worked on. Locks those that may, and so is never done twice at a time. */
  lookAtRoots(): Promise<readonly RootState[]> {
    this.#lookingAtRoots ??= this.#roots.look().finally(() => {
      this.#lookingAtRoots = undefined
    })
    return this.#lookingAtRoots
  }

  /**
   * Looks for ready files once, and hands them over as long as few enough are waiting.
   *
   * @param onFound - Instead of uploading: only told of the files.
   */
  async scan(onFound?: (candidates: readonly Candidate[]) => void): Promise<ScanSummary> {
    const ready = { files: 0, bytes: 0 }
    for (;;) {
      const roots = await this.lookAtRoots()
      for (const state of roots) this.#reportRoot(state)
      this.#notReady = new Map()
      const isWhole = await this.#scanRoots(roots, async (candidates) => {
        ready.files += candidates.length
        for (const { sizeBytes } of candidates) ready.bytes += sizeBytes
        if (onFound !== undefined) return onFound(candidates)
        this.#uploader.add(candidates)
        await this.#uploader.whenBelow(maxWaiting)
      })
      if (!isWhole) continue
      if (onFound === undefined) await this.#sweepEmptied(roots)
      return { ready, notReady: this.#notReady, roots }
    }
  }

  /** False when it was broken off, because a root has to be left alone by now. */
  async #scanRoots(
    roots: readonly RootState[],
    take: (candidates: readonly Candidate[]) => Promise<void>,
  ): Promise<boolean> {
    const { clock, config } = this.#options
    // It may be on a disk that is mounted late, or be a link to another place by now.
    this.#captureDir = realPath(config.dataManager.captureDir)
    const scope = {
      roots: roots.filter(({ state }) => state === 'ready').map(({ root }) => root),
      closed: roots.filter(({ state }) => state !== 'ready').map(({ root }) => root.path),
      captureDir: this.#captureDir,
    }
    let lookedAtMs = clock.monotonicMs()
    for await (const candidates of this.#scanner.scan(scope)) {
      await take(candidates)
      // With a backlog a scan lasts for hours.
      if (clock.monotonicMs() - lookedAtMs < rootsGoodForMs) continue
      const now = await this.lookAtRoots()
      lookedAtMs = clock.monotonicMs()
      const stillReady = new Set(
        now.filter(({ state }) => state === 'ready').map(({ root }) => root.path),
      )
      if (scope.roots.some(({ path }) => !stillReady.has(path))) return false
    }
    return true
  }

  /** Asks the receiver who it is and whom it takes us for. */
  probe(): Promise<ReceiverDescription | TransferFailure> {
    return this.#pool.probe()
  }

  /** Lets uploads end, breaks off those that take longer than `patienceMs`, and ends all threads. */
  async close(patienceMs: number): Promise<void> {
    try {
      await this.#uploader.stop(patienceMs)
      await this.#pool.destroy()
    } finally {
      await this.#roots.release()
    }
  }

  #makeEvictor(rule: DiskFullConfig, lookUpWriters: () => Promise<Writers>): Evictor {
    const { config, clock, log } = this.#options
    return new Evictor({
      rule,
      captureDir: config.dataManager.captureDir,
      lookAtRoots: () => this.lookAtRoots(),
      viamServerRuns: () => this.viamServerRuns,
      lookUpWriters,
      isUnderWay: (path) => this.#uploader.isUnderWay(path),
      isReachable: () => this.#uploader.isReachable,
      isStopped: () => this.#uploader.stopped,
      stats: this.stats,
      clock,
      log,
    })
  }

  /** Not while a root has to be left alone: it may be capture_dir, or lie in it. */
  async #sweepEmptied(roots: readonly RootState[]): Promise<void> {
    const { log } = this.#options
    const isFree = roots.every(({ state }) => state === 'ready' || state === 'missing')
    if (this.#emptied === undefined || !isFree || this.#uploader.stopped) return
    const { removed, refused } = await this.#emptied.sweep()
    const [first] = removed
    if (first !== undefined) {
      const fields = { folders: removed.length, first: showPath(first) }
      log.info('folders_removed', 'removed folders that had been empty for an hour', fields)
    }
    for (const { path, errno } of refused) {
      const fields = { path: showPath(path), code: errno }
      log.warn('folder_not_removed', 'an empty folder could not be removed', fields)
    }
  }

  #onNotReady(path: BytePath, reason: NotReadyReason): void {
    this.#notReady.set(reason, (this.#notReady.get(reason) ?? 0) + 1)
    this.#reports.notReady(path, reason)
  }

  #reportRoot(state: RootState): void {
    const { path } = state.root
    if (this.#rootStates.get(path) === state.state) return
    this.#rootStates.set(path, state.state)
    const fields = { root: showPath(path) }
    if (state.state === 'ready') this.#options.log.info('root_ready', 'works on this root', fields)
    else
      this.#options.log.warn(`root_${state.state}`, `leaves this root alone: ${state.why}`, fields)
  }
}

function workerDataFor({ cloud, dataManager }: Config): Omit<WorkerData, 'stallMs'> {
  const credentials = Buffer.from(`${cloud.id}:${cloud.secret}`, 'utf8').toString('base64')
  return {
    address: cloud.address.origin,
    authorization: `Basic ${credentials}`,
    caPem: cloud.caPem,
    tags: dataManager.tags,
    progressEveryMs,
    instance: processInstance,
  }
}
