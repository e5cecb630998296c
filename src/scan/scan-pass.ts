import { type BigIntStats, lstatSync } from 'node:fs'
import { uptime } from 'node:os'
import { type BytePath, fsPath, joinPath } from '../base/byte-path.ts'
import { errnoOf } from '../base/errors.ts'
import { receiverDataMarker } from '../base/receiver-data-marker.ts'
import { Slice, sliceMs } from '../base/slice.ts'
import type { Candidate, NotReadyReason } from './candidate.ts'
import { exists } from './exists.ts'
import type { FileJudge } from './file-judge.ts'
import { FolderCursor } from './folder-cursor.ts'
import type { FolderMemory, FolderStamp } from './folder-memory.ts'
import { isOtherMount, mountPoints } from './mount-points.ts'
import type { ReadinessRules } from './readiness.ts'
import type { ScannerOptions, ScanScope } from './scan-options.ts'
import { type PendingFolder, WalkQueue } from './walk-queue.ts'
import type { WallClockWatch } from './wall-clock-watch.ts'
import { isUnfinishedCapture, mayBeWritten, needsWriterCheck } from './writers-rule.ts'

const folderNamesLeftAlone: ReadonlySet<string> = new Set(['failed', 'datasetUpload'])
/** A slice of 10 ms, then this. */
const idleRestMs = sliceMs * 19
/** So many candidates are handed out at once, or fewer once the first of them has waited this long. */
const batchCandidates = 512
const batchMs = 1000

/** Not readable for reasons of our own, not of the path's. */
const failuresOfOurs: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])
/** Not there any more, or something else is there: its owner's right, and the next scan's to judge. */
const replacedSince: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP'])

/** The state of one scan. Whoever makes one closes it. */
export class ScanPass {
  readonly #options: ScannerOptions
  readonly #scope: ScanScope
  readonly #memory: FolderMemory
  readonly #judge: FileJudge
  readonly #clockWatch: WallClockWatch
  readonly #notEntered: ReadonlySet<BytePath>
  readonly #roots: ReadonlySet<BytePath>
  readonly #queue: WalkQueue
  readonly #devices = new Map<BytePath, bigint>()
  #mounts: ReadonlySet<BytePath> = new Set()
  #candidates: Candidate[] = []
  #firstFoundAtMs = 0
  #foundInSlice = 0
  /** Being read, and so in no queue. */
  #current: FolderCursor | undefined

  constructor(
    options: ScannerOptions,
    scope: ScanScope,
    memory: FolderMemory,
    judge: FileJudge,
    clockWatch: WallClockWatch,
  ) {
    this.#options = options
    this.#scope = scope
    this.#memory = memory
    this.#judge = judge
    this.#clockWatch = clockWatch
    this.#roots = new Set(scope.roots.map(({ path }) => path))
    this.#notEntered = new Set([...this.#roots, ...(scope.closed ?? [])])
    this.#queue = new WalkQueue([...this.#roots])
  }

  async *run(): AsyncGenerator<readonly Candidate[]> {
    const { isStopped } = this.#options
    this.#mounts = (this.#options.mountPoints ?? mountPoints)()
    const slice = new Slice(this.#options.clock)
    for (let next = this.#queue.next(); next !== undefined; next = this.#queue.next()) {
      const cursor = next instanceof FolderCursor ? next : this.#open(next)
      if (cursor !== undefined) {
        this.#current = cursor
        let rules = this.#rulesOfNow()
        for (const name of cursor.nextNames()) {
          this.#look(cursor, name, rules)
          if (this.#candidates.length < batchCandidates && !slice.isOver()) continue
          yield* this.#pause(slice)
          // Whoever takes the candidates may have kept us waiting for hours.
          if (isStopped()) return
          rules = this.#rulesOfNow()
        }
        this.#leave(cursor)
      }
      if (slice.isOver()) yield* this.#pause(slice)
      if (isStopped()) return
    }
    yield* this.#found()
  }

  close(): void {
    this.#current?.close()
    this.#queue.closeAll()
  }

  async *#pause(slice: Slice): AsyncGenerator<readonly Candidate[]> {
    const waitedMs = this.#options.clock.monotonicMs() - this.#firstFoundAtMs
    const isIdle = this.#foundInSlice === 0
    this.#foundInSlice = 0
    if (this.#candidates.length >= batchCandidates || waitedMs >= batchMs) yield* this.#found()
    if (slice.isOver()) await slice.next(isIdle && this.#options.restWhenIdle ? idleRestMs : 0)
  }

  #rulesOfNow(): ReadinessRules {
    const { clock, quietMs, isExcluded } = this.#options
    const wallMs = clock.wallMs()
    const step = this.#clockWatch.look(wallMs, clock.monotonicMs())
    return { quietMs, wallMs, bootMs: wallMs - uptime() * 1000, step, isExcluded }
  }

  #open({ path, root }: PendingFolder): FolderCursor | undefined {
    const { clock } = this.#options
    try {
      const stats = lstatSync(fsPath(path), { bigint: true })
      // It was a folder a while ago: a link may have taken its place.
      if (!stats.isDirectory()) return this.#neitherFileNorFolder(path, stats)
      if (path === root) this.#devices.set(root, stats.dev)
      else if (isOtherMount(path, stats.dev, this.#devices.get(root), this.#mounts)) {
        return this.#notReady(path, 'other_mount')
      }
      const { mtimeNs, ctimeNs } = stats
      const stamp: FolderStamp = { mtimeNs, ctimeNs, wallMs: clock.wallMs() }
      if (this.#memory.canSkip(path, stamp, clock.monotonicMs())) return undefined
      if (exists(joinPath(path, receiverDataMarker))) return this.#notReady(path, 'receiver_data')
      return FolderCursor.open(path, root, stats, stamp)
    } catch (error) {
      return this.#failed(path, error)
    }
  }

  /** After a batch of a folder: another one later, or the end. */
  #leave(cursor: FolderCursor): void {
    this.#current = undefined
    if (!cursor.ended) return this.#queue.keepOpen(cursor)
    cursor.close()
    const { path, stamp, failure } = cursor
    if (failure !== undefined) this.#failed(path, failure)
    if (!cursor.isComplete || cursor.hasSubfolders) return this.#memory.forget(path)
    const nowMs = this.#options.clock.monotonicMs()
    this.#memory.remember(path, stamp, cursor.notBeforeMs, nowMs)
  }

  #look(cursor: FolderCursor, name: string, rules: ReadinessRules): void {
    const path = joinPath(cursor.path, name)
    try {
      const stats = lstatSync(fsPath(path), { bigint: true })
      if (stats.isDirectory()) this.#lookAtFolder(cursor, path, name)
      else if (stats.isFile()) this.#lookAtFile(cursor, { path, name, stats }, rules)
      else this.#neitherFileNorFolder(path, stats)
    } catch (error) {
      cursor.lookAgainAfter(this.#options.clock.monotonicMs(), this.#options.quietMs)
      this.#failed(path, error)
    }
  }

  #lookAtFolder(cursor: FolderCursor, path: BytePath, name: string): void {
    cursor.hasSubfolders = true
    if (folderNamesLeftAlone.has(name)) this.#notReady(path, 'set_aside_folder')
    // A root below another one is walked once, as itself.
    else if (!this.#notEntered.has(path)) this.#queue.add({ path, root: cursor.root })
  }

  #lookAtFile(
    cursor: FolderCursor,
    file: { readonly path: BytePath; readonly name: string; readonly stats: BigIntStats },
    rules: ReadinessRules,
  ): void {
    const nowMs = this.#options.clock.monotonicMs()
    const judgement = this.#judge.judge(file, cursor, rules, this.#scope.captureDir)
    if ('candidate' in judgement) {
      cursor.lookAgainAfter(nowMs, 0)
      if (this.#candidates.length === 0) this.#firstFoundAtMs = nowMs
      this.#foundInSlice += 1
      this.#candidates.push(judgement.candidate)
      return
    }
    const { reason, lookAgainAfterMs } = judgement
    if (lookAgainAfterMs !== undefined) cursor.lookAgainAfter(nowMs, lookAgainAfterMs)
    this.#notReady(file.path, reason, Number(file.stats.size))
  }

  /** What was found, less the files that some process is still writing. */
  async *#found(): AsyncGenerator<readonly Candidate[]> {
    const found = this.#candidates
    this.#candidates = []
    if (found.length === 0) return
    if (!found.some(needsWriterCheck)) return yield found
    const writers = await this.#options.lookUpWriters()
    const free = found.filter((candidate) => {
      if (!mayBeWritten(candidate, writers)) return true
      const reason = isUnfinishedCapture(candidate) ? 'in_progress_file' : 'being_written'
      this.#notReady(candidate.path, reason, candidate.sizeBytes)
      return false
    })
    if (free.length > 0) yield free
  }

  #failed(path: BytePath, error: unknown): undefined {
    const errno = errnoOf(error)
    if (errno === undefined || failuresOfOurs.has(errno)) throw error
    if (!replacedSince.has(errno)) this.#notReady(path, 'unreadable')
    else if (this.#roots.has(path)) this.#notReady(path, 'missing_root')
  }

  #neitherFileNorFolder(path: BytePath, stats: BigIntStats): undefined {
    return this.#notReady(path, stats.isSymbolicLink() ? 'symbolic_link' : 'not_a_regular_file')
  }

  #notReady(path: BytePath, reason: NotReadyReason, sizeBytes = 0): undefined {
    this.#options.onNotReady(path, reason, sizeBytes)
  }
}
