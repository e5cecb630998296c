import { randomBytes } from 'node:crypto'
import { lstat, open, unlink, utimes } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  type BytePath,
  bytePath,
  fsPath,
  joinPath,
  nameOf,
  parentOf,
  showPath,
} from '../../base/byte-path.ts'
import { errnoOf, LongshoreError, messageOf } from '../../base/errors.ts'
import { type Digest, StreamHasher } from '../../base/hash.ts'
import { whyNameNotAllowed } from '../../wire/file-name.ts'
import { isSystemError } from '../identity/folder-errors.ts'
import { isMachineId } from '../identity/machine-id.ts'
import type { StoredFile } from '../store/catalog.ts'
import type { SegmentStore } from '../store/segment-store.ts'
import { markNewest, namesFor, plainPath } from './export-names.ts'
import { OutputFolders } from './output-folders.ts'
import { putInPlace } from './put-in-place.ts'

export interface ExportOptions {
  readonly files: () => Iterable<StoredFile>
  readonly segments: Pick<SegmentStore, 'read'>
  /** Made if it is missing. */
  readonly to: string
  /** A file could not have the name that it should have. Both are for people. */
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
 * never over another file. May be broken off and run again. What cannot be read back is reported, and
 * the rest goes on.
 *
 * @throws LongshoreError `usage`, `output_not_empty` for what `to` does not let us; and what `files`
 *   throws
 */
export async function exportFiles(options: ExportOptions): Promise<ExportReport> {
  const to = bytePath(resolve(options.to))
  try {
    return await exportAll(options, to)
  } catch (error) {
    throw isSystemError(error) ? outputError(to, error) : error
  }
}

async function exportAll(options: ExportOptions, to: BytePath): Promise<ExportReport> {
  const folders = await OutputFolders.open(to)
  let written = 0
  let bytes = 0
  let alreadyThere = 0
  let damaged = 0
  for (const { file, isNewest } of markNewest(options.files())) {
    const problem = whyNotExported(file)
    const result =
      problem === undefined ? await exportOne(options, folders, to, file, isNewest) : 'damaged'
    if (result === 'damaged') {
      damaged += 1
      const reason = problem === undefined ? '' : ` (${problem})`
      options.onDamaged(`${showPath(bytePath(file.machine))}: ${showPath(file.path)}${reason}`)
    } else if (result === 'already there') {
      alreadyThere += 1
    } else {
      written += 1
      bytes += file.sizeBytes
    }
  }
  return { written, bytes, alreadyThere, damaged }
}

/** Both were checked when they arrived; but here they become paths of this computer. */
function whyNotExported({ machine, path }: StoredFile): string | undefined {
  return isMachineId(machine) ? whyNameNotAllowed(path) : 'the machine has no allowed id'
}

type Result = 'written' | 'already there' | 'damaged'

const refusedNames = new Set<string | undefined>(['ENAMETOOLONG', 'EINVAL', 'EILSEQ'])

async function exportOne(
  { segments, onRenamed }: ExportOptions,
  folders: OutputFolders,
  to: BytePath,
  file: StoredFile,
  isNewest: boolean,
): Promise<Result> {
  const below = (path: BytePath) => `/${file.machine}${path}` as BytePath
  const put = async (path: BytePath): Promise<Result> => {
    const names = namesFor(file, below(path), isNewest)
    while (true) {
      const name = names.next().value
      const target = joinPath(await folders.make(parentOf(name)), nameOf(name))
      const result = await writeTo(target, file, segments)
      if (result === 'taken') continue
      const { value: wanted } = namesFor(file, below(file.path), isNewest).next()
      const own = `${to === '/' ? '' : to}${wanted}` as BytePath
      if (result !== 'damaged' && target !== own) onRenamed(showPath(own), showPath(target))
      return result
    }
  }
  try {
    return await put(file.path)
  } catch (error) {
    if (!refusedNames.has(errnoOf(error))) throw error
    return put(plainPath(file.path))
  }
}

async function writeTo(
  target: BytePath,
  file: StoredFile,
  segments: Pick<SegmentStore, 'read'>,
): Promise<Result | 'taken'> {
  const there = await whatIsThere(target, file)
  if (there !== 'nothing') return there
  const temporary = joinPath(parentOf(target), `.longshore-${randomBytes(8).toString('hex')}.tmp`)
  try {
    const digest = await copyOut(file, segments, temporary)
    if (digest !== file.digest) return 'damaged'
    const time = timeFor(file.mtimeNs)
    await utimes(fsPath(temporary), time, time)
    await putInPlace(temporary, target)
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

/** For `utimes`: in seconds, and to the microsecond. */
function timeFor(mtimeNs: bigint): number | Date {
  // Node takes a negative number for "now", but not a date, which has milliseconds only.
  if (mtimeNs < 0n) return new Date(Number(mtimeNs / 1_000_000n))
  // In the middle of the microsecond: a double is seldom exact, and libuv cuts off.
  return (Number(mtimeNs / 1000n) + 0.5) / 1e6
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

/** Undefined when the segment cannot be read. */
async function copyOut(
  { segmentId, offset, sizeBytes }: StoredFile,
  segments: Pick<SegmentStore, 'read'>,
  target: BytePath,
): Promise<Digest | undefined> {
  const out = await open(fsPath(target), 'wx', 0o644)
  try {
    const hasher = new StreamHasher()
    for (let done = 0; done < sizeBytes; ) {
      const wanted = Math.min(readBytes, sizeBytes - done)
      const piece = await segments.read(segmentId, offset + done, wanted).catch(nothingIfUnreadable)
      if (piece.length === 0) return undefined
      hasher.update(piece)
      await out.writeFile(piece)
      done += piece.length
    }
    return hasher.digest()
  } finally {
    await out.close()
  }
}

function nothingIfUnreadable(error: unknown): Buffer {
  if (isSystemError(error)) return Buffer.alloc(0)
  throw error
}

function outputError(to: BytePath, cause: unknown): LongshoreError {
  const what = `cannot write below ${showPath(to)}: ${messageOf(cause)}`
  switch (errnoOf(cause)) {
    case 'EEXIST':
    case 'ENOTDIR':
      return new LongshoreError('output_not_empty', what, { hint: 'Give --to a folder.', cause })
    case 'ENOSPC':
    case 'EDQUOT': {
      const hint = 'Free some space and run it again: what is there already is not written twice.'
      return new LongshoreError('usage', what, { hint, cause })
    }
    default: {
      const hint = 'Give --to a folder that this user can write.'
      return new LongshoreError('usage', what, { hint, cause })
    }
  }
}
