import { type FileHandle, open } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { errnoOf } from '../../base/errors.ts'
import { readRecordHead, segmentMagic } from '../store/record.ts'
import { writeAll } from '../store/write-all.ts'

export interface CopySegmentOptions {
  readonly from: string
  readonly to: string
  /** How much of it an earlier copy has on stable storage. */
  readonly haveBytes: number
  /** How much of it shall be copied: that much never changes any more. */
  readonly wantedBytes: number
  /** Called before each piece; throws to stop. */
  readonly onPiece: (sizeBytes: number) => void
}

/** `short`: there is less than the catalog says; what there is has been copied. */
export type CopyResult = 'copied' | 'there already' | 'short' | 'another segment'

const pieceBytes = 1024 * 1024

/** Copies what is new of a segment, onto stable storage; its name is for the caller to sync. */
export async function copySegment(options: CopySegmentOptions): Promise<CopyResult> {
  const { from, to, wantedBytes, onPiece } = options
  const source = await openIfThere(from)
  if (source === undefined) return 'short'
  await using _source = source
  await using target = (await openIfThere(to, 'r+')) ?? (await open(to, 'wx+', 0o600))
  const { size } = await target.stat()
  const haveBytes = Math.min(options.haveBytes, size)
  if (haveBytes > 0 && (await areOfOthers(source, target))) return 'another segment'
  if (haveBytes >= wantedBytes) {
    return (await source.stat()).size < wantedBytes ? 'short' : 'there already'
  }
  let at = haveBytes
  while (at < wantedBytes) {
    const wanted = Math.min(pieceBytes, wantedBytes - at)
    onPiece(wanted)
    const piece = await readAt(source, at, wanted)
    if (piece.length === 0) break
    await writeAll(target, [piece], at)
    at += piece.length
  }
  await target.sync()
  return at < wantedBytes ? 'short' : 'copied'
}

/**
 * True when the first records are not the same: a number was given again after its segment was lost. A
 * head that cannot be read says nothing; the bytes there are not copied again.
 */
async function areOfOthers(source: FileHandle, target: FileHandle): Promise<boolean> {
  const [one, other] = await Promise.all(
    [source, target].map((file) =>
      readRecordHead((offset, size) => readAt(file, offset, size), segmentMagic.length),
    ),
  )
  return one !== undefined && other !== undefined && !isDeepStrictEqual(one.value, other.value)
}

async function openIfThere(path: string, flags = 'r'): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Fewer bytes where the file ends, or the disk does not give them back. */
async function readAt(file: FileHandle, offset: number, sizeBytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(sizeBytes)
  let filled = 0
  while (filled < sizeBytes) {
    const left = sizeBytes - filled
    const bytesRead = await file.read(buffer, filled, left, offset + filled).then(
      (read) => read.bytesRead,
      (error) => {
        if (errnoOf(error) === 'EIO') return 0
        throw error
      },
    )
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}
