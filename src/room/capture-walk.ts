import { lstatSync, type Stats } from 'node:fs'
import { type BytePath, fsPath, joinPath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { errnoOf } from '../base/errors.ts'
import { receiverDataMarker } from '../base/receiver-data-marker.ts'
import { Slice, sliceMs } from '../base/slice.ts'
import { defaultExclude, excludeMatcher } from '../scan/exclude.ts'
import { exists } from '../scan/exists.ts'
import { FolderCursor } from '../scan/folder-cursor.ts'
import { isOtherMount, mountPoints } from '../scan/mount-points.ts'
import { type PendingFolder, WalkQueue } from '../scan/walk-queue.ts'
import { type AgedFile, OldestFiles } from './aged-files.ts'

export interface CaptureWalkOptions {
  /** Without symbolic links. */
  readonly captureDir: BytePath
  /** Roots of their own that must not be worked on now: not entered. */
  readonly closed: readonly BytePath[]
  readonly clock: Clock
  /** Whether a file of this age is of interest. Becoming ready is told in ms on the wall clock. */
  readonly isWanted: (file: AgedFile, readyAtMs: number) => boolean
  /** So many files are given at most: the oldest. */
  readonly limit: number
  /** Looked at after every slice: ends the walk. */
  readonly isStopped: () => boolean
  /** Folders in which another mount begins; by default as the kernel lists them. */
  readonly mountPoints?: () => ReadonlySet<BytePath>
}

export interface CaptureWalk {
  /** What all files below `capture_dir` take up on its file system, `failed` included. */
  readonly occupiedBytes: number
  /** What looks like a capture file by its name, its links and its size; oldest first. */
  readonly oldest: readonly AgedFile[]
  /** True when there are more than were asked for. */
  readonly isCutShort: boolean
}

/** A slice of 10 ms, then this: at most 5% of one core. */
const restMs = sliceMs * 19
const blockBytes = 512
/** As for the scan: they hold what a person or another program is to look at. */
const setAsideFolder = /\/(?:failed|datasetUpload)(?:\/|$)/
const isExcluded = excludeMatcher(defaultExclude)
/** Not readable for reasons of our own, not of the path's. */
const failuresOfOurs: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/**
 * Goes once through everything below `capture_dir`, without following links or entering other mounts:
 * measures it and finds the oldest capture files. What cannot be looked at counts as nothing, and so
 * does whatever else is doubtful: the less is found, the less is removed. Throws what is no fault of a
 * single path.
 */
export async function walkCaptureDir(options: CaptureWalkOptions): Promise<CaptureWalk> {
  const walk = new Walk(options)
  try {
    await walk.run()
    return walk.result()
  } finally {
    walk.close()
  }
}

class Walk {
  readonly #options: CaptureWalkOptions
  readonly #queue: WalkQueue
  readonly #mounts: ReadonlySet<BytePath>
  readonly #oldest: OldestFiles
  #device: bigint | undefined
  #current: FolderCursor | undefined
  #occupiedBytes = 0

  constructor(options: CaptureWalkOptions) {
    this.#options = options
    this.#queue = new WalkQueue([options.captureDir])
    this.#mounts = (options.mountPoints ?? mountPoints)()
    this.#oldest = new OldestFiles(options.limit)
  }

  result(): CaptureWalk {
    // Before `sorted`, which leaves out what is too much.
    const { isCutShort } = this.#oldest
    const oldest = this.#oldest.sorted()
    return { occupiedBytes: this.#occupiedBytes, oldest, isCutShort }
  }

  close(): void {
    this.#current?.close()
    this.#queue.closeAll()
  }

  async run(): Promise<void> {
    const { clock, isStopped } = this.#options
    const slice = new Slice(clock)
    for (let next = this.#queue.next(); next !== undefined; next = this.#queue.next()) {
      const cursor = next instanceof FolderCursor ? next : this.#open(next.path)
      if (cursor !== undefined) {
        this.#current = cursor
        const isSetAside = setAsideFolder.test(cursor.path.slice(this.#options.captureDir.length))
        for (const name of cursor.nextNames()) {
          this.#look(joinPath(cursor.path, name), name, isSetAside)
          if (!slice.isOver()) continue
          await slice.next(restMs)
          if (isStopped()) return
        }
        this.#leave(cursor)
      }
      if (slice.isOver()) await slice.next(restMs)
      if (isStopped()) return
    }
  }

  #open(path: BytePath): FolderCursor | undefined {
    const { captureDir, clock } = this.#options
    try {
      const stats = lstatSync(fsPath(path), { bigint: true })
      if (!stats.isDirectory()) return undefined
      if (path === captureDir) this.#device = stats.dev
      else if (isOtherMount(path, stats.dev, this.#device, this.#mounts)) return undefined
      if (exists(joinPath(path, receiverDataMarker))) return undefined
      const stamp = { mtimeNs: stats.mtimeNs, ctimeNs: stats.ctimeNs, wallMs: clock.wallMs() }
      return FolderCursor.open(path, captureDir, stats, stamp)
    } catch (error) {
      return passOver(error)
    }
  }

  #look(path: BytePath, name: string, isSetAside: boolean): void {
    try {
      this.#lookAt(path, name, isSetAside, lstatSync(fsPath(path)))
    } catch (error) {
      passOver(error)
    }
  }

  #lookAt(path: BytePath, name: string, isSetAside: boolean, stats: Stats): void {
    if (stats.isDirectory()) {
      const folder: PendingFolder = { path, root: this.#options.captureDir }
      if (!this.#options.closed.includes(path)) this.#queue.add(folder)
    } else if (stats.isFile() && BigInt(stats.dev) === this.#device) {
      this.#occupiedBytes += (stats.blocks * blockBytes) / stats.nlink
      if (!isSetAside && isCaptureFile(name, stats)) this.#offer(path, stats)
    }
  }

  #offer(path: BytePath, { mtimeMs, ctimeMs }: Stats): void {
    const file = { path, mtimeMs }
    if (this.#options.isWanted(file, Math.max(mtimeMs, ctimeMs))) this.#oldest.add(file)
  }

  #leave(cursor: FolderCursor): void {
    this.#current = undefined
    if (cursor.ended) cursor.close()
    else this.#queue.keepOpen(cursor)
    if (cursor.failure !== undefined) passOver(cursor.failure)
  }
}

/** Throws what is no fault of the path that was looked at. */
function passOver(error: unknown): undefined {
  const errno = errnoOf(error)
  if (errno === undefined || failuresOfOurs.has(errno)) throw error
}

function isCaptureFile(name: string, { nlink, size }: Stats): boolean {
  return name.endsWith('.capture') && nlink === 1 && size > 0 && !isExcluded(name)
}
