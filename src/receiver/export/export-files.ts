import { randomBytes } from 'node:crypto'
import { link, lstat, mkdir, open, unlink, utimes } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  type BytePath,
  bytePath,
  fsPath,
  joinPath,
  parentOf,
  showPath,
} from '../../base/byte-path.ts'
import { errnoOf, LongshoreError } from '../../base/errors.ts'
import { type Digest, StreamHasher } from '../../base/hash.ts'
import { whyNameNotAllowed } from '../../wire/file-name.ts'
import type { StoredFile } from '../store/catalog.ts'
import type { SegmentStore } from '../store/segment-store.ts'
import { markNewest, versionName } from './export-names.ts'

export interface ExportOptions {
  readonly files: () => Iterable<StoredFile>
  readonly segments: Pick<SegmentStore, 'read'>
  /** Made if it is missing. */
  readonly to: string
  /** A file could not have its own name. Both are for people. */
  readonly onRenamed: (from: string, to: string) => void
  readonly onDamaged: (what: string) => void
}

export interface ExportReport {
  readonly written: number
  readonly bytes: number
  readonly alreadyThere: number
  readonly damaged: number
}

const readBytes = 1024 * 1024

/**
 * Writes stored files as plain files below `to`, each only after its hash has been verified, and
 * never over another file. May be broken off and run again.
 */
export async function exportFiles(options: ExportOptions): Promise<ExportReport> {
  const to = bytePath(resolve(options.to))
  let written = 0
  let bytes = 0
  let alreadyThere = 0
  let damaged = 0
  for (const { file, isNewest } of markNewest(options.files())) {
    const problem = whyNameNotAllowed(file.path)
    const result = problem === undefined ? await exportOne(options, to, file, isNewest) : 'damaged'
    if (result === 'damaged') {
      damaged += 1
      options.onDamaged(`${file.machine}: ${showPath(file.path)}${problem ? ` (${problem})` : ''}`)
    } else if (result === 'already there') {
      alreadyThere += 1
    } else {
      written += 1
      bytes += file.sizeBytes
    }
  }
  return { written, bytes, alreadyThere, damaged }
}

type Result = 'written' | 'already there' | 'damaged'

async function exportOne(
  { segments, onRenamed }: ExportOptions,
  to: BytePath,
  file: StoredFile,
  isNewest: boolean,
): Promise<Result> {
  const below = `${to === '/' ? '' : to}/${file.machine}`
  const own = `${below}${file.path}` as BytePath
  const other = `${below}${versionName(file)}` as BytePath
  for (const target of isNewest ? [own, other] : [other]) {
    const result = await writeTo(target, file, segments)
    if (result === 'taken') continue
    if (isNewest && target === other) onRenamed(showPath(own), showPath(other))
    return result
  }
  throw new LongshoreError('output_not_empty', `${showPath(other)} is there with other content`, {
    hint: 'Export to an empty folder.',
  })
}

async function writeTo(
  target: BytePath,
  file: StoredFile,
  segments: Pick<SegmentStore, 'read'>,
): Promise<Result | 'taken'> {
  const there = await whatIsThere(target, file)
  if (there !== 'nothing') return there
  const folder = parentOf(target)
  try {
    await mkdir(fsPath(folder), { recursive: true })
  } catch (error) {
    // A file has the name that a folder needs: /a and /a/b were both files, at different times.
    if (errnoOf(error) === 'EEXIST' || errnoOf(error) === 'ENOTDIR') return 'taken'
    throw error
  }
  const temporary = joinPath(folder, `.longshore-${randomBytes(8).toString('hex')}.tmp`)
  try {
    const digest = await copyOut(file, segments, temporary)
    if (digest !== file.digest) return 'damaged'
    const seconds = Number(file.mtimeNs / 1000n) / 1e6
    await utimes(fsPath(temporary), seconds, seconds)
    await link(fsPath(temporary), fsPath(target))
    return 'written'
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return 'taken'
    throw error
  } finally {
    await unlink(fsPath(temporary)).catch((error) => {
      if (errnoOf(error) !== 'ENOENT') throw error
    })
  }
}

async function whatIsThere(
  target: BytePath,
  { sizeBytes, digest }: StoredFile,
): Promise<'nothing' | 'already there' | 'taken'> {
  try {
    const stats = await lstat(fsPath(target))
    if (!stats.isFile() || stats.size !== sizeBytes) return 'taken'
    return (await digestOf(target)) === digest ? 'already there' : 'taken'
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'nothing'
    if (errnoOf(error) === 'ENOTDIR') return 'taken'
    throw error
  }
}

async function digestOf(path: BytePath): Promise<Digest> {
  const file = await open(fsPath(path), 'r')
  try {
    const hasher = new StreamHasher()
    const buffer = Buffer.allocUnsafe(readBytes)
    while (true) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return hasher.digest()
      hasher.update(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

async function copyOut(
  { segmentId, offset, sizeBytes }: StoredFile,
  segments: Pick<SegmentStore, 'read'>,
  target: BytePath,
): Promise<Digest> {
  const out = await open(fsPath(target), 'wx', 0o644)
  try {
    const hasher = new StreamHasher()
    for (let done = 0; done < sizeBytes; ) {
      const piece = await segments.read(
        segmentId,
        offset + done,
        Math.min(readBytes, sizeBytes - done),
      )
      if (piece.length === 0) break
      hasher.update(piece)
      await out.writeFile(piece)
      done += piece.length
    }
    return hasher.digest()
  } finally {
    await out.close()
  }
}
