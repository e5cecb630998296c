import { lstatSync } from 'node:fs'
import {
  type BytePath,
  fsPath,
  isAtOrBelow,
  joinPath,
  nameOf,
  parentOf,
  segmentsBelow,
  showPath,
} from '../../base/byte-path.ts'
import { systemClock } from '../../base/clock.ts'
import { errnoOf } from '../../base/errors.ts'
import { realPath, realPathOfExisting } from '../../base/real-path.ts'
import { Slice } from '../../base/slice.ts'
import { reasonTexts } from '../../scan/candidate.ts'
import { exists } from '../../scan/exists.ts'
import {
  failedFolderName,
  folderOfOrigin,
  mayBeNamed,
  quarantineFolder,
} from '../quarantine/place.ts'
import { entriesOf, failedFolders } from './failed-folders.ts'
import { OneFile } from './one-file.ts'
import { originOf } from './origin.ts'
import { readSidecar } from './read-sidecar.ts'
import type { RequeueReport } from './report.ts'

export interface RequeueOptions {
  /** Absolute, as configured; `capture_dir` among them. */
  readonly roots: readonly BytePath[]
  readonly captureDir: BytePath
  readonly dryRun: boolean
  readonly report: RequeueReport
  readonly isStopped: () => boolean
}

/** Brings files that were set aside back to where they came from. Never to a place outside the roots. */
export class Requeue {
  readonly #options: RequeueOptions
  readonly #roots: ReadonlySet<BytePath>
  readonly #captureDir: BytePath
  readonly #files: OneFile
  readonly #slice = new Slice(systemClock)

  constructor(options: RequeueOptions) {
    this.#options = options
    this.#files = new OneFile(options)
    this.#roots = new Set(options.roots.map(realPath))
    this.#captureDir = realPath(options.captureDir)
  }

  /** Whatever Longshore or Viam have set aside below the roots. */
  async everything(): Promise<void> {
    for (const root of this.#roots) await this.#walk(root)
  }

  /** Each is a file that was set aside, or the path it had, or a folder: all below it. Absolute. */
  async named(paths: readonly BytePath[]): Promise<void> {
    // A shell makes of failed/* the sidecars too, which go with their files: so this comes first.
    for (const path of new Set(paths.map(fileOfSidecar))) {
      if (!this.#options.isStopped()) await this.#named(path)
    }
  }

  async #named(path: BytePath): Promise<void> {
    const { report } = this.#options
    const real = withRealFolder(path)
    try {
      const root = this.#rootOf(real)
      if (root === undefined) {
        const roots = [...this.#roots].map(showPath).join(', ')
        return report.notFound(path, `lies below none of the roots (${roots})`)
      }
      const stats = lstatSync(fsPath(real), { bigint: true, throwIfNoEntry: false })
      if (stats?.isSymbolicLink()) return report.notFound(path, reasonTexts.symbolic_link)
      if (stats?.isDirectory()) return await this.#namedFolder(real, root)
      if (folderOfOrigin(parentOf(real), root) === undefined)
        return await this.#cameFrom(real, root)
      if (stats === undefined) return report.notFound(path, 'there is no such file')
      this.#files.requeue(real, root)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      report.failed(path, `cannot be looked at (${errno})`)
    }
  }

  async #namedFolder(folder: BytePath, root: BytePath): Promise<void> {
    if (folderOfOrigin(folder, root) !== undefined) return this.#folder(folder, root, true)
    // Roots within are walked on their own.
    const within = [...this.#roots].filter((each) => each !== folder && isAtOrBelow(each, folder))
    for (const start of [folder, ...within]) await this.#walk(start)
    if (folder === this.#captureDir || !isAtOrBelow(folder, this.#captureDir)) return
    const aside = [failedFolderName, ...segmentsBelow(folder, this.#captureDir)]
    const captures = aside.reduce<BytePath>(joinPath, this.#captureDir)
    if (exists(captures)) await this.#folder(captures, this.#captureDir, true)
  }

  async #walk(start: BytePath): Promise<void> {
    const { report, isStopped } = this.#options
    const onLeft = report.left.bind(report)
    try {
      if (!exists(start)) return report.left(start, 'it does not exist (yet)')
      const options = { notEntered: this.#roots, isStopped, onLeft }
      for await (const folder of failedFolders(start, options)) {
        // Only below capture_dir are folders kept; elsewhere they are the user's own.
        const withSubfolders = parentOf(folder) === this.#captureDir
        await this.#folder(folder, this.#rootOf(folder)!, withSubfolders)
      }
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      report.failed(start, `cannot be looked into (${errno})`)
    }
  }

  async #folder(folder: BytePath, root: BytePath, withSubfolders: boolean): Promise<void> {
    const { report } = this.#options
    await this.#eachEntry(folder, async (path, isFolder) => {
      if (!isFolder) return this.#files.requeue(path, root)
      const isOurs = withSubfolders && folderOfOrigin(path, root) !== undefined
      if (isOurs && !this.#roots.has(path)) return this.#folder(path, root, true)
      report.left(path, 'neither Longshore nor Viam sets folders aside')
    })
  }

  /** `origin` is no file in a folder of files set aside: those that have come from there. */
  async #cameFrom(origin: BytePath, root: BytePath): Promise<void> {
    const places = [
      quarantineFolder(origin, this.#captureDir),
      joinPath(parentOf(origin), failedFolderName),
    ]
    let found = 0
    for (const folder of new Set(places)) {
      if (!exists(folder)) continue
      await this.#eachEntry(folder, async (path, isFolder) => {
        if (isFolder || !mayBeNamed(nameOf(origin), nameOf(path))) return
        const { path: from, sidecar } = originOf(path, parentOf(origin))
        if (sidecar !== undefined && from !== origin) return
        found += 1
        this.#files.requeue(path, this.#rootOf(path) ?? root)
      })
    }
    if (found > 0) return
    const isThere = exists(origin) ? 'it' : 'there is no such file, and it'
    this.#options.report.notFound(origin, `${isThere} has not been set aside`)
  }

  async #eachEntry(
    folder: BytePath,
    take: (path: BytePath, isFolder: boolean) => Promise<void> | void,
  ): Promise<void> {
    const { report, isStopped } = this.#options
    try {
      if (realPathOfExisting(folder) !== folder) {
        return report.left(folder, reasonTexts.symbolic_link)
      }
      for (const entry of entriesOf(folder)) {
        if (isStopped()) return
        await take(joinPath(folder, entry.name), entry.isDirectory())
        if (this.#slice.isOver()) await this.#slice.next()
      }
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      report.failed(folder, `cannot be looked into (${errno})`)
    }
  }

  /** The innermost root that it is in. */
  #rootOf(path: BytePath): BytePath | undefined {
    return [...this.#roots]
      .filter((root) => isAtOrBelow(path, root))
      .reduce<BytePath | undefined>(
        (best, root) => (best === undefined || root.length > best.length ? root : best),
        undefined,
      )
  }
}

/** The path itself, unless it is a sidecar of a file that is here. */
function fileOfSidecar(path: BytePath): BytePath {
  try {
    const sidecar = readSidecar(withRealFolder(path))
    return sidecar !== undefined && exists(sidecar.to) ? sidecar.to : path
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    // Whatever is wrong with it is reported when its turn comes.
    return path
  }
}

/** Links in the path of a file are followed, a file that is one is not. */
function withRealFolder(path: BytePath): BytePath {
  return path === '/' ? path : joinPath(realPath(parentOf(path)), nameOf(path))
}
