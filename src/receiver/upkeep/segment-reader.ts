import { LongshoreError } from '../../base/errors.ts'
import { StreamHasher } from '../../base/hash.ts'
import { isSystemError } from '../identity/folder-errors.ts'
import type { StoredFile } from '../store/catalog.ts'
import type { SegmentStore } from '../store/segment-store.ts'

/** Reads a segment; what the disk refuses to give back reads as the end of the segment. */
export type ReadSegment = (segmentId: number, offset: number, sizeBytes: number) => Promise<Buffer>

const readBytes = 1024 * 1024

/**
 * @param beforeRead - Called before each read, to count it or to wait.
 * @throws LongshoreError `stopped` from a read after the signal has aborted
 */
export function segmentReader(
  segments: Pick<SegmentStore, 'read'>,
  signal: AbortSignal,
  beforeRead: (sizeBytes: number) => Promise<void> | void,
): ReadSegment {
  return async (segmentId, offset, sizeBytes) => {
    await beforeRead(sizeBytes)
    if (signal.aborted) throw stoppedError()
    try {
      return await segments.read(segmentId, offset, sizeBytes)
    } catch (error) {
      if (isSystemError(error)) return Buffer.alloc(0)
      throw error
    }
  }
}

/** Of a command that a signal ended. Each says itself what is left of its work. */
export function stoppedError(): LongshoreError {
  return new LongshoreError('stopped', 'a signal ended it before it was through', {
    hint: 'Run it again.',
  })
}

/** True when the bytes that a row of the catalog points at have its hash. */
export async function isFileWhole(
  read: ReadSegment,
  { segmentId, offset, sizeBytes, digest }: StoredFile,
): Promise<boolean> {
  const hasher = new StreamHasher()
  for (let done = 0; done < sizeBytes; ) {
    const piece = await read(segmentId, offset + done, Math.min(readBytes, sizeBytes - done))
    if (piece.length === 0) return false
    hasher.update(piece)
    done += piece.length
  }
  return hasher.digest() === digest
}
