import { type BigIntStats, closeSync, constants, lstatSync, openSync } from 'node:fs'
import { uptime } from 'node:os'
import { type BytePath, fsPath, isAtOrBelow, joinPath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { errnoOf } from '../base/errors.ts'
import { receiverDataMarker } from '../base/receiver-data-marker.ts'
import { Slice, sliceMs } from '../base/slice.ts'
import { readCaptureHeader } from '../capture/capture-header.ts'
import type { OpenWriters } from '../probe/open-writers.ts'
import type { Candidate, FileKind, NotReadyReason, Root } from './candidate.ts'
import { sqliteSiblingSuffixes } from './exclude.ts'
import { FolderCursor } from './folder-cursor.ts'
import { FolderMemory } from './folder-memory.ts'
import { FutureFiles } from './future-files.ts'
import { asArbitrary, type FileFacts, type ReadinessRules, readinessOf } from './readiness.ts'
import { isProtected, mayUnlink } from './removable.ts'
import { type PendingFolder, WalkQueue } from './walk-queue.ts'

export interface ScannerOptions {
  readonly clock: Clock
  /** Capture files are recognised below this folder only. */
  readonly captureDir: BytePath
  readonly quietMs: number
  readonly isExcluded: (name: string) => boolean
  /** Paths that need not be looked at: on their way, or held until later. */
  readonly isTaken: (path: BytePath) => boolean
  readonly lookUpWriters: () => Promise<OpenWriters>
  /** Told of every path that is not a candidate, at every scan. */
  readonly onNotReady: (path: BytePath, reason: NotReadyReason, sizeBytes: number) => void
  /** Rest between slices that find nothing, so that an idle scan takes at most 5% of a core. */
  readonly restWhenIdle: boolean
  /** Looked at after every slice: ends the scan. */
  readonly isStopped: () => boolean
}

const folderNamesLeftAlone: ReadonlySet<string> = new Set(['failed', 'datasetUpload'])
/** A slice of 10 ms, then this. */
const idleRestMs = sliceMs * 19
const yieldAfterCandidates = 512

/**
 * Finds the files that are ready, folder by folder, with an event loop turn after every 10 ms. Never
 * holds more of the tree than the folders it is in. One scanner serves all scans of a daemon: it
 * remembers which folders need not be looked into again yet.
 */
export class Scanner {
  readonly #options: ScannerOptions
  readonly #memory = new FolderMemory()
  readonly #futureFiles = new FutureFiles()
  readonly #ownUid = BigInt(process.geteuid!())

  constructor(options: ScannerOptions) {
    this.#options = options
  }

  /**
   * One pass over the roots. Gives candidates in batches and goes on only when asked for the next, so
   * whoever has enough of them waiting simply does not ask. A root that cannot be read is told to
   * `onNotReady` and the rest goes on.
   */
  async *scan(roots: readonly Root[]): AsyncGenerator<readonly Candidate[]> {
    const pass = new Pass(this.#options, this.#memory, this.#futureFiles, this.#ownUid, roots)
    try {
      yield* pass.run()
    } finally {
      pass.close()
    }
  }
}

/** The state of one scan. */
class Pass {
  readonly #options: ScannerOptions
  readonly #memory: FolderMemory
  readonly #futureFiles: FutureFiles
  readonly #ownUid: bigint
  readonly #roots: ReadonlySet<BytePath>
  readonly #queue = new WalkQueue()
  readonly #devices = new Map<BytePath, bigint>()
  readonly #rules: ReadinessRules
  #candidates: Candidate[] = []
  /** Being read, and so in no queue. */
  #current: FolderCursor | undefined

  constructor(
    options: ScannerOptions,
    memory: FolderMemory,
    futureFiles: FutureFiles,
    ownUid: bigint,
    roots: readonly Root[],
  ) {
    this.#options = options
    this.#memory = memory
    this.#futureFiles = futureFiles
    this.#ownUid = ownUid
    this.#roots = new Set(roots.map(({ path }) => path))
    const wallMs = options.clock.wallMs()
    this.#rules = {
      quietMs: options.quietMs,
      wallMs,
      bootMs: wallMs - uptime() * 1000,
      isExcluded: options.isExcluded,
    }
    // The queue is a stack: the first root is to come first.
    for (const { path } of [...roots].reverse()) this.#queue.add({ path, root: path })
  }

  async *run(): AsyncGenerator<readonly Candidate[]> {
    const slice = new Slice(this.#options.clock)
    let next = this.#queue.next()
    while (next !== undefined && !this.#options.isStopped()) {
      const cursor = next instanceof FolderCursor ? next : this.#open(next)
      this.#current = cursor
      if (cursor !== undefined) {
        for (const name of this.#namesOf(cursor)) {
          this.#look(cursor, name)
          if (this.#candidates.length >= yieldAfterCandidates) yield* this.#found()
          if (slice.isOver()) await this.#rest(slice)
        }
        this.#leave(cursor)
      }
      if (slice.isOver()) await this.#rest(slice)
      next = this.#queue.next()
    }
    yield* this.#found()
  }

  close(): void {
    this.#current?.close()
    this.#queue.closeAll()
  }

  #rest(slice: Slice): Promise<void> {
    const isIdle = this.#candidates.length === 0
    return slice.next(isIdle && this.#options.restWhenIdle ? idleRestMs : 0)
  }

  #namesOf(cursor: FolderCursor): string[] {
    try {
      return cursor.nextNames()
    } catch (error) {
      this.#failed(cursor.path, error)
      return []
    }
  }

  #open({ path, root }: PendingFolder): FolderCursor | undefined {
    try {
      const stats = lstatSync(fsPath(path), { bigint: true })
      if (path === root) this.#devices.set(root, stats.dev)
      else if (stats.dev !== this.#devices.get(root)) {
        return this.#notReady(path, 'other_mount')
      }
      if (this.#memory.canSkip(path, stats.mtimeNs, this.#options.clock.monotonicMs())) return
      if (exists(joinPath(path, receiverDataMarker))) return this.#notReady(path, 'receiver_data')
      return new FolderCursor(path, root, stats)
    } catch (error) {
      this.#failed(path, error)
    }
    return undefined
  }

  /** After a batch of a folder: another one later, or the end. */
  #leave(cursor: FolderCursor): void {
    this.#current = undefined
    if (!cursor.ended) return this.#queue.keepOpen(cursor)
    cursor.close()
    if (cursor.hasSubfolders) this.#memory.forget(cursor.path)
    else this.#memory.remember(cursor.path, cursor.mtimeNs, cursor.notBeforeMs)
  }

  #look(cursor: FolderCursor, name: string): void {
    const path = joinPath(cursor.path, name)
    try {
      const stats = lstatSync(fsPath(path), { bigint: true })
      if (stats.isDirectory()) this.#lookAtFolder(cursor, path, name)
      else if (stats.isFile()) this.#lookAtFile(cursor, path, name, stats)
      else this.#notReady(path, stats.isSymbolicLink() ? 'symbolic_link' : 'not_a_regular_file')
    } catch (error) {
      cursor.lookAgainAfter(this.#options.clock.monotonicMs(), this.#options.quietMs)
      this.#failed(path, error)
    }
  }

  #lookAtFolder(cursor: FolderCursor, path: BytePath, name: string): void {
    cursor.hasSubfolders = true
    if (folderNamesLeftAlone.has(name)) this.#notReady(path, 'set_aside_folder')
    // A root below another one is walked once, as itself.
    else if (!this.#roots.has(path)) this.#queue.add({ path, root: cursor.root })
  }

  #lookAtFile(cursor: FolderCursor, path: BytePath, name: string, stats: BigIntStats): void {
    const { clock, captureDir, quietMs } = this.#options
    const nowMs = clock.monotonicMs()
    const sizeBytes = Number(stats.size)
    if (this.#options.isTaken(path)) {
      cursor.lookAgainAfter(nowMs, 0)
      return this.#notReady(path, 'already_taken', sizeBytes)
    }
    const facts: FileFacts = {
      name,
      sizeBytes,
      mtimeMs: Number(stats.mtimeMs),
      links: Number(stats.nlink),
      belowCaptureDir: isAtOrBelow(cursor.path, captureDir),
      seenUnchangedForMs: this.#seenUnchangedForMs(path, stats, nowMs),
    }
    let readiness = readinessOf(facts, this.#rules)
    if (readiness.verdict === 'capture' && !hasCaptureHeader(path)) {
      readiness = asArbitrary(facts, this.#rules)
    }
    switch (readiness.verdict) {
      case 'skip':
        if (readiness.reason !== 'excluded') cursor.lookAgainAfter(nowMs, quietMs)
        return this.#notReady(path, readiness.reason, sizeBytes)
      case 'wait':
        cursor.lookAgainAfter(nowMs, readiness.waitMs)
        return this.#notReady(path, readiness.reason, sizeBytes)
      case 'capture':
      case 'arbitrary':
        cursor.lookAgainAfter(nowMs, 0)
        return this.#addIfRemovable(cursor, path, name, stats, readiness.verdict)
      default:
        return readiness satisfies never
    }
  }

  #seenUnchangedForMs(path: BytePath, stats: BigIntStats, nowMs: number): number | undefined {
    if (Number(stats.mtimeMs) <= this.#rules.wallMs) return undefined
    return this.#futureFiles.unchangedForMs(path, stats.mtimeNs, Number(stats.size), nowMs)
  }

  #addIfRemovable(
    cursor: FolderCursor,
    path: BytePath,
    name: string,
    stats: BigIntStats,
    kind: FileKind,
  ): void {
    const sizeBytes = Number(stats.size)
    if (kind === 'arbitrary' && hasSqliteSibling(cursor, path, name)) {
      return this.#notReady(path, 'sqlite_in_use', sizeBytes)
    }
    if (!mayUnlink(cursor.rights, stats.uid, this.#ownUid) || isProtected(path)) {
      return this.#notReady(path, 'not_removable', sizeBytes)
    }
    this.#futureFiles.forget(path)
    this.#candidates.push({
      path,
      root: cursor.root,
      kind,
      sizeBytes,
      mtimeNs: stats.mtimeNs,
      device: stats.dev,
      inode: stats.ino,
    })
  }

  /** What was found, less the files that some process is still writing. */
  async *#found(): AsyncGenerator<readonly Candidate[]> {
    const found = this.#candidates
    this.#candidates = []
    if (found.length === 0) return
    if (!found.some(needsWriterCheck)) return yield found
    const writers = await this.#options.lookUpWriters()
    const free = found.filter((candidate) => {
      const isFree = !needsWriterCheck(candidate) || !writers.has(candidate.device, candidate.inode)
      if (!isFree) this.#notReady(candidate.path, 'being_written', candidate.sizeBytes)
      return isFree
    })
    if (free.length > 0) yield free
  }

  #failed(path: BytePath, error: unknown): undefined {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    if (errno !== 'ENOENT') this.#notReady(path, 'unreadable')
    // Anything else that is gone since its name was read was deleted, which is its owner's right.
    else if (this.#roots.has(path)) this.#notReady(path, 'missing_root')
  }

  #notReady(path: BytePath, reason: NotReadyReason, sizeBytes = 0): undefined {
    this.#options.onNotReady(path, reason, sizeBytes)
  }
}

/** Capture files are renamed when they are complete; only an orphan may have kept its writer. */
function needsWriterCheck({ kind, path }: Candidate): boolean {
  return kind === 'arbitrary' || path.endsWith('.prog')
}

function hasCaptureHeader(path: BytePath): boolean {
  const fd = openSync(
    fsPath(path),
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  )
  try {
    return readCaptureHeader(fd) !== undefined
  } finally {
    closeSync(fd)
  }
}

function hasSqliteSibling(cursor: FolderCursor, path: BytePath, name: string): boolean {
  if (cursor.sqliteInUse !== undefined) return cursor.sqliteInUse.has(name)
  return sqliteSiblingSuffixes.some((suffix) => exists(`${path}${suffix}` as BytePath))
}

function exists(path: BytePath): boolean {
  return lstatSync(fsPath(path), { throwIfNoEntry: false }) !== undefined
}
