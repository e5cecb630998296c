import { lstatSync, opendirSync, rmdirSync } from 'node:fs'
import { type BytePath, fsPath, isAtOrBelow, parentOf, segmentsBelow } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { errnoOf } from '../base/errors.ts'
import { realPathOfExisting } from '../base/real-path.ts'
import { Slice } from '../base/slice.ts'
import { datasetFolderName, failedFolderName } from './quarantine/place.ts'

/** What the last look found: nothing in it, and when that began. */
interface Emptied {
  readonly mtimeNs: bigint
  /** Monotonic. */
  readonly sinceMs: number
}

export interface EmptiedFoldersOptions {
  readonly clock: Clock
  /** Without symbolic links, as it is now. Nothing outside it is touched, nor it itself. */
  readonly captureDir: () => BytePath
  /** Never removed either, nor is what leads to them. */
  readonly roots: () => readonly BytePath[]
}

/** What a sweep has done. */
export interface Swept {
  readonly removed: readonly BytePath[]
  /** Empty for long enough, but the system refuses. */
  readonly refused: readonly { readonly path: BytePath; readonly errno: string }[]
}

/** Beyond this a folder simply stays. */
const maxFolders = 10_000
/**
 * A program that has made a folder, or that works in it, and is about to create a file there would get
 * an error if it were gone. So a folder goes only when nothing has happened in it for so long: by its
 * mtime and the wall clock, which may have been set, and by what was seen on the monotonic clock.
 */
const untouchedMs = 60 * 60_000

const neverRemoved: ReadonlySet<string> = new Set([failedFolderName, datasetFolderName])

/** Folders below `capture_dir` out of which Longshore has removed files: when empty, they may go too. */
export class EmptiedFolders {
  readonly #options: EmptiedFoldersOptions
  /** Undefined: not looked at since. */
  readonly #folders = new Map<BytePath, Emptied | undefined>()

  constructor(options: EmptiedFoldersOptions) {
    this.#options = options
  }

  /** A file, or an empty folder, was taken out of this folder. */
  removedFrom(folder: BytePath): void {
    const hasRoom = this.#folders.size < maxFolders || this.#folders.has(folder)
    if (hasRoom && this.#mayGo(folder)) this.#folders.set(folder, undefined)
  }

  /** Removes those that have been empty and untouched for long enough. Called after each scan. */
  async sweep(): Promise<Swept> {
    const removed: BytePath[] = []
    const refused: { path: BytePath; errno: string }[] = []
    const roots = this.#options.roots()
    const slice = new Slice(this.#options.clock)
    for (const [path, before] of [...this.#folders]) {
      try {
        // A disk with a root on it may be mounted on it later.
        if (roots.some((root) => isAtOrBelow(root, path))) this.#folders.delete(path)
        else if (this.#sweepOne(path, before)) removed.push(path)
      } catch (error) {
        const errno = errnoOf(error)
        if (errno === undefined) throw error
        this.#folders.delete(path)
        // Gone, or somebody has put something into it in the last moment.
        if (!othersWork.has(errno)) refused.push({ path, errno })
      }
      if (slice.isOver()) await slice.next()
    }
    return { removed, refused }
  }

  /** True when it was removed. */
  #sweepOne(path: BytePath, before: Emptied | undefined): boolean {
    const { clock } = this.#options
    const nowMs = clock.monotonicMs()
    const stats = lstatSync(fsPath(path), { bigint: true })
    // What is put into it and taken away by us brings it here again.
    if (!stats.isDirectory() || !this.#mayGo(path) || !isEmpty(path)) {
      this.#folders.delete(path)
      return false
    }
    if (before?.mtimeNs !== stats.mtimeNs) {
      this.#folders.set(path, { mtimeNs: stats.mtimeNs, sinceMs: nowMs })
      return false
    }
    const untouchedForMs = Math.min(clock.wallMs() - Number(stats.mtimeMs), nowMs - before.sinceMs)
    if (untouchedForMs < untouchedMs) return false
    // A link in the place of a folder above would lead to another one.
    if (realPathOfExisting(path) === path) {
      // Removes a folder only if it is empty: nobody's file can go with it.
      rmdirSync(fsPath(path))
      this.#folders.delete(path)
      this.removedFrom(parentOf(path))
      return true
    }
    this.#folders.delete(path)
    return false
  }

  #mayGo(folder: BytePath): boolean {
    const captureDir = this.#options.captureDir()
    if (folder === captureDir || !isAtOrBelow(folder, captureDir)) return false
    return !segmentsBelow(folder, captureDir).some((name) => neverRemoved.has(name))
  }
}

const othersWork: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST'])

function isEmpty(folder: BytePath): boolean {
  const dir = opendirSync(fsPath(folder), { bufferSize: 1 })
  try {
    return dir.readSync() === null
  } finally {
    dir.closeSync()
  }
}
