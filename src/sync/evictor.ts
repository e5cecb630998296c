import { statSync } from 'node:fs'
import { type BytePath, fsPath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { errnoOf, messageOf } from '../base/errors.ts'
import { Slice } from '../base/slice.ts'
import type { DiskFullConfig } from '../config/config.ts'
import type { AgedFile } from '../room/aged-files.ts'
import { walkCaptureDir } from '../room/capture-walk.ts'
import { bytesToFree, type DiskUsage, diskUsageOf } from '../room/disk-usage.ts'
import { EveryNth } from '../room/every-nth.ts'
import { type FinishedCapture, finishedCaptureAt } from '../room/finished-capture.ts'
import { type Ground, InPlace } from '../room/in-place.ts'
import { UploadChance } from '../room/upload-chance.ts'
import type { Writers } from '../scan/writers-rule.ts'
import type { Log } from '../telemetry/log.ts'
import { EvictorReports } from './evictor-reports.ts'
import { removeIfUnchanged } from './remove-file.ts'
import type { RootState } from './root-guard.ts'
import type { SyncStats } from './sync-stats.ts'

export interface EvictorOptions {
  readonly rule: DiskFullConfig
  /** As the config file has it. */
  readonly captureDir: BytePath
  readonly lookAtRoots: () => Promise<readonly RootState[]>
  /** By the last look at the roots. */
  readonly viamServerRuns: () => boolean
  readonly lookUpWriters: () => Promise<Writers>
  /** On its way to the receiver, or being settled. A file that only waits is not. */
  readonly isUnderWay: (path: BytePath) => boolean
  readonly isReachable: () => boolean
  readonly isStopped: () => boolean
  readonly stats: SyncStats
  readonly clock: Clock
  readonly log: Log
  readonly diskUsageOf?: (folder: BytePath) => DiskUsage
  /** Files found in one walk, at most. */
  readonly limit?: number
}

interface FreshLook {
  readonly writers: Writers
  readonly inPlace: InPlace
  readonly neededBytes: number
  readonly atMs: number
}

/** Found in one walk, at most: the paths of so many, and of as many again, are in memory. */
const filesOfAWalk = 16_384
/** What was found to be so is good for this long while files are removed. */
const goodForMs = 1000

/**
 * The disk-full rule, the one exception to invariant 1: while the file system of `capture_dir` is full,
 * and `capture_dir` is what fills it, every nth capture file goes although it has not been uploaded.
 * Made only where the config asks for it.
 */
export class Evictor {
  readonly #options: EvictorOptions
  readonly #chance = new UploadChance()
  readonly #order: EveryNth
  readonly #reports: EvictorReports
  /** Device and inode of `capture_dir` at the last look. */
  #folder: string | undefined

  constructor(options: EvictorOptions) {
    this.#options = options
    this.#order = new EveryNth(options.rule.deleteEveryNth)
    this.#reports = new EvictorReports(options.log, options.clock)
  }

  /**
   * To be called every minute or so. As long as there is room it costs a look at the file system and one
   * at the folder; else it removes what the rule calls for. Never rejects: a failure is reported, and
   * nothing more is removed.
   *
   * @param isGateOpen - False while the config, or a trigger, lets nothing be uploaded.
   */
  async look(isGateOpen: boolean): Promise<void> {
    try {
      if (!this.#lookAtChance(isGateOpen)) return
      const usage = this.#usage()
      if (this.#bytesToFree(usage) > 0) await this.#makeRoom(isGateOpen, usage)
    } catch (error) {
      this.#chance.reset()
      this.#reports.failed(messageOf(error))
    }
  }

  #usage(): DiskUsage {
    return (this.#options.diskUsageOf ?? diskUsageOf)(this.#options.captureDir)
  }

  #bytesToFree(usage: DiskUsage): number {
    return bytesToFree(usage, this.#options.rule.diskUsageThreshold)
  }

  /** False while there is no `capture_dir`, which is reported as a root. */
  #lookAtChance(isGateOpen: boolean): boolean {
    const { captureDir, viamServerRuns, isReachable, clock } = this.#options
    const stats = statSync(fsPath(captureDir), { bigint: true, throwIfNoEntry: false })
    const folder = stats && `${stats.dev}:${stats.ino}`
    // A viam-server may be back in a moment, and what a disk that was just mounted holds is new here.
    if (viamServerRuns() || folder !== this.#folder) this.#chance.reset()
    this.#folder = folder
    this.#chance.look({
      isOnline: isGateOpen && isReachable(),
      wallMs: clock.wallMs(),
      monotonicMs: clock.monotonicMs(),
    })
    return folder !== undefined
  }

  /** Removes files until as much is freed as is needed now, or there is no file left that may go. */
  async #makeRoom(isGateOpen: boolean, usage: DiskUsage): Promise<void> {
    const { rule, clock, isStopped } = this.#options
    let neededBytes = this.#bytesToFree(usage)
    let round = { isWhole: this.#order.isAtStart, freedBytes: 0 }
    for (;;) {
      const ground = await this.#ground()
      if (ground === undefined || isStopped()) return
      if (!this.#chance.isOverForSome) return this.#reports.nothingMayGo(usage)
      const walk = await walkCaptureDir({
        ...ground,
        clock,
        isWanted: (file, readyAtMs) =>
          this.#order.isToCome(file) && this.#chance.isOverFor(readyAtMs, clock.wallMs()),
        limit: this.#options.limit ?? filesOfAWalk,
        isStopped,
      })
      if (isStopped()) return
      const share = walk.occupiedBytes / usage.sizeBytes
      if (!(share >= rule.captureDirThreshold))
        return this.#reports.tooLittleOfCaptures(usage, share)
      const stillNeededBytes = await this.#removeFrom(walk.oldest, isGateOpen, neededBytes)
      if (stillNeededBytes === 0) return
      round.freedBytes += neededBytes - stillNeededBytes
      neededBytes = stillNeededBytes
      if (walk.isCutShort) continue
      if (round.isWhole && round.freedBytes === 0) return this.#reports.nothingMayGo(usage)
      this.#order.newRound()
      round = { isWhole: true, freedBytes: 0 }
    }
  }

  /** Returns what is still needed afterwards: 0 also where nothing more may be removed now. */
  async #removeFrom(
    oldest: readonly AgedFile[],
    isGateOpen: boolean,
    neededBytes: number,
  ): Promise<number> {
    const { clock, isStopped } = this.#options
    const slice = new Slice(clock)
    let stillNeededBytes = neededBytes
    let look: FreshLook | undefined
    for (const file of oldest) {
      if (slice.isOver()) await slice.next()
      if (!this.#order.isNextToGo) {
        this.#order.kept(file)
        continue
      }
      if (look === undefined || clock.monotonicMs() - look.atMs > goodForMs) {
        look = await this.#freshLook(isGateOpen)
        // What has been removed may not show yet; what others have removed does.
        stillNeededBytes = Math.min(stillNeededBytes, look?.neededBytes ?? 0)
      }
      if (look === undefined || stillNeededBytes === 0 || isStopped()) return 0
      const freedBytes = this.#evict(file.path, look)
      if (freedBytes === undefined) this.#order.passedOver(file)
      else this.#order.gone(file)
      stillNeededBytes = Math.max(0, stillNeededBytes - (freedBytes ?? 0))
    }
    return stillNeededBytes
  }

  /** Undefined as soon as anything speaks against removing files. */
  async #freshLook(isGateOpen: boolean): Promise<FreshLook | undefined> {
    const writers = await this.#options.lookUpWriters()
    const ground = await this.#ground()
    if (ground === undefined || writers.captureRuns) return undefined
    const inPlace = new InPlace(ground)
    // Last, since it notices when another disk has taken the place of the one that was walked.
    if (!this.#lookAtChance(isGateOpen)) return undefined
    const neededBytes = this.#bytesToFree(this.#usage())
    return { writers, inPlace, neededBytes, atMs: this.#options.clock.monotonicMs() }
  }

  /**
   * From the look at the file to its end without a turn of the event loop in between. What it freed;
   * undefined when the file stays.
   */
  #evict(path: BytePath, { writers, inPlace }: FreshLook): number | undefined {
    const { isUnderWay, stats } = this.#options
    try {
      const file = finishedCaptureAt(path)
      if (file === undefined || isUnderWay(path)) return undefined
      const { identity } = file
      if (!this.#hadItsChance(file) || !inPlace.has(path, identity.device)) return undefined
      const isOpen = writers.open.has(identity.device, identity.inode)
      const removal = removeIfUnchanged(path, identity, isOpen)
      if (removal.result === 'failed') this.#reports.notEvictable(path, removal.errno)
      if (removal.result !== 'removed') return undefined
      stats.evicted += 1
      this.#reports.evicted(path, file)
      return file.occupiedBytes
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      if (errno !== 'ENOENT') this.#reports.notEvictable(path, errno)
      return undefined
    }
  }

  /** By both of its times: anybody may have set an mtime in the future, which says nothing then. */
  #hadItsChance({ mtimeMs, ctimeMs }: FinishedCapture): boolean {
    const wallMs = this.#options.clock.wallMs()
    return [mtimeMs, ctimeMs].every((timeMs) => this.#chance.isOverFor(timeMs, wallMs))
  }

  /** Undefined, and reported, where nothing may be removed now. */
  async #ground(): Promise<Ground | undefined> {
    const { lookAtRoots, viamServerRuns, captureDir } = this.#options
    const states = await lookAtRoots()
    const own = states.find(({ root }) => root.configured === captureDir)
    if (viamServerRuns()) {
      this.#chance.reset()
      this.#reports.leftToViam()
      return undefined
    }
    // Reported as a root.
    if (own?.state !== 'ready') {
      this.#chance.reset()
      return undefined
    }
    const closed = states.filter(({ state }) => state !== 'ready').map(({ root }) => root.path)
    return { captureDir: own.root.path, closed }
  }
}
