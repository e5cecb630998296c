import { type BigIntStats, lstatSync } from 'node:fs'
import { type BytePath, fsPath, nameOf, parentOf, showPath } from '../../base/byte-path.ts'
import { errnoOf } from '../../base/errors.ts'
import { reasonTexts } from '../../scan/candidate.ts'
import { exists } from '../../scan/exists.ts'
import { folderOfOrigin, sidecarEnding } from '../quarantine/place.ts'
import { makeFolders } from './make-folders.ts'
import { type Origin, originOf } from './origin.ts'
import { firstFreeName, type PutBack, putBack } from './put-back.ts'
import { looksLikeSidecar, readSidecar, removeSidecar, type Sidecar } from './read-sidecar.ts'
import type { RequeueReport } from './report.ts'

/** Sees to one entry of a folder of files set aside, and reports what became of it. */
export class OneFile {
  readonly #options: { readonly dryRun: boolean; readonly report: RequeueReport }

  constructor(options: { readonly dryRun: boolean; readonly report: RequeueReport }) {
    this.#options = options
  }

  /** `root` is the innermost one that `file` is in, and its folder one of files set aside. */
  requeue(file: BytePath, root: BytePath): void {
    const { report } = this.#options
    try {
      const stats = lstatSync(fsPath(file), { bigint: true, throwIfNoEntry: false })
      const sidecar = readSidecar(file)
      if (sidecar !== undefined) return this.#sidecar(sidecar)
      const why = whyLeft(file, stats)
      if (why !== undefined) return report.left(file, why)
      this.#bringBack(file, root, originOf(file, folderOfOrigin(parentOf(file), root)!))
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      report.failed(file, `stays: ${failureText(errno)}`)
    }
  }

  /** One whose file is here goes with that. */
  #sidecar(sidecar: Sidecar): void {
    if (exists(sidecar.to)) return
    if (!this.#options.dryRun) removeSidecar(sidecar)
    this.#options.report.tidied(sidecar.path)
  }

  #bringBack(file: BytePath, root: BytePath, origin: Origin): void {
    const { report, dryRun } = this.#options
    const put = dryRun ? wouldPutBack(origin.path) : moveBack(file, root, origin.path)
    switch (put.result) {
      case 'moved':
        report.moved(file, put.to, noteOn(put.to, origin))
        if (!dryRun) this.#afterMove(origin)
        return
      case 'gone':
        return report.left(file, 'somebody else has moved it')
      case 'failed':
        return report.failed(file, `stays: ${failureText(put.errno)}`)
      default:
        return put satisfies never
    }
  }

  /** After the file, not before it: a crash in between leaves a sidecar, which the next requeue removes. */
  #afterMove({ sidecar }: Origin): void {
    if (sidecar === undefined) return
    try {
      removeSidecar(sidecar)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      this.#options.report.left(sidecar.path, `could not be removed (${errno})`)
    }
  }
}

function whyLeft(file: BytePath, stats: BigIntStats | undefined): string | undefined {
  if (stats === undefined) return 'somebody else has moved it'
  if (stats.isSymbolicLink()) return reasonTexts.symbolic_link
  if (!stats.isFile()) return reasonTexts.not_a_regular_file
  // Never uploaded and so never set aside.
  if (stats.size === 0n) return 'empty: a name that was taken for a move which was broken off'
  if (!file.endsWith(sidecarEnding) || !looksLikeSidecar(file)) return undefined
  return 'the note on a file that was set aside in another place'
}

function moveBack(file: BytePath, root: BytePath, origin: BytePath): PutBack {
  const errno = makeFolders(root, parentOf(origin))
  return errno === undefined ? putBack(file, origin) : { result: 'failed', errno }
}

function wouldPutBack(origin: BytePath): PutBack {
  const to = firstFreeName(origin)
  return to === undefined ? { result: 'failed', errno: 'EEXIST' } : { result: 'moved', to }
}

function noteOn(to: BytePath, { path, sidecar, sidecarDisagrees }: Origin): string | undefined {
  const notes: string[] = []
  if (to !== path) notes.push(`${showPath(nameOf(path))} exists`)
  if (sidecarDisagrees) {
    notes.push(`its .why.json names ${showPath(sidecar!.from)}, which is not believed`)
  }
  return notes.length === 0 ? undefined : notes.join('; ')
}

function failureText(errno: string): string {
  return failureTexts[errno] ?? `the system refuses (${errno})`
}

const failureTexts: Readonly<Record<string, string>> = {
  EACCES: 'this user may not read or move it (EACCES)',
  EPERM: 'this user may not move it (EPERM)',
  EROFS: 'the file system is read-only (EROFS)',
  ENOSPC: 'the disk is full (ENOSPC)',
  // A copy that has the name of a capture file is taken for whole before it is.
  EXDEV:
    'the place it came from is on another file system; copy it there under a name that ends in ' +
    '.tmp, then rename it (EXDEV)',
  ELOOP: 'a symbolic link stands in the way (ELOOP)',
  ENOTDIR: 'a file has the name of a folder it came from (ENOTDIR)',
  ENOENT: 'its folder went while it was moved; run requeue again (ENOENT)',
  ESTALE: 'it was put back, and somebody removed it there at once (ESTALE)',
  EEXIST: 'a thousand files with its name are there (EEXIST)',
}
