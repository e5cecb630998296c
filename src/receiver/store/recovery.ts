import { StreamHasher } from '../../base/hash.ts'
import { WireError } from '../../wire/wire-error.ts'
import { MessageVerifier } from '../ingest/verify-message.ts'
import type { Catalog, MessageEntry } from './catalog.ts'
import { type ReadAt, readRecordHead, readRecordTrailer, segmentMagic } from './record.ts'
import type { SegmentInfo, SegmentStore } from './segment-store.ts'

export interface RecoveryReport {
  /** Messages that were durable but not yet in the catalog. */
  readonly enteredMessages: number
  /** Bytes behind the last valid record that were never acknowledged and are gone now. */
  readonly cutBytes: number
  /** Segments with bytes that cannot be read although they may have been acknowledged. */
  readonly damaged: readonly { readonly segmentId: number; readonly fromByte: number }[]
}

const readBytes = 1024 * 1024

/**
 * Brings the catalog up to date with the segments; runs before the first request is served. What
 * stands behind a segment's entered end was never acknowledged: whole records are entered, the rest is
 * cut away. While the catalog is not complete (it is new, or was lost) nothing is ever cut.
 */
export async function recover(segments: SegmentStore, catalog: Catalog): Promise<RecoveryReport> {
  const ends = catalog.segmentEnds()
  const mayCut = catalog.complete
  const damaged: { segmentId: number; fromByte: number }[] = []
  let enteredMessages = 0
  let cutBytes = 0
  for (const segment of await segments.list()) {
    const knownEnd = ends.get(segment.segmentId) ?? 0
    if (segment.sizeBytes <= knownEnd) continue
    const { entries, end } = await readRecords(segments, segment, knownEnd)
    if (entries.length > 0) {
      await segments.sync(segment.segmentId)
      await catalog.enter(entries)
      enteredMessages += entries.length
    }
    const restBytes = segment.sizeBytes - end
    if (restBytes === 0) continue
    if (!mayCut) {
      damaged.push({ segmentId: segment.segmentId, fromByte: end })
      await catalog.enter([endOfSegment(segment)])
    } else {
      cutBytes += restBytes
      if (end <= segmentMagic.length) await segments.remove(segment.segmentId)
      else await segments.truncate(segment.segmentId, end)
    }
  }
  if (!catalog.complete) await catalog.markComplete()
  return { enteredMessages, cutBytes, damaged }
}

/** Notes that a segment has been looked at to its end. */
function endOfSegment({ segmentId, sizeBytes }: SegmentInfo): MessageEntry {
  return {
    machine: '',
    uploadId: '',
    segmentId,
    recordOffset: 0,
    recordEnd: sizeBytes,
    receivedAtMs: 0,
    files: [],
  }
}

async function readRecords(
  segments: SegmentStore,
  { segmentId }: SegmentInfo,
  from: number,
): Promise<{ readonly entries: readonly MessageEntry[]; readonly end: number }> {
  const readAt: ReadAt = (offset, sizeBytes) => segments.read(segmentId, offset, sizeBytes)
  let end = from
  if (end === 0) {
    if (!(await readAt(0, segmentMagic.length)).equals(segmentMagic)) return { entries: [], end }
    end = segmentMagic.length
  }
  const entries: MessageEntry[] = []
  while (true) {
    const entry = await readRecord(readAt, segmentId, end)
    if (entry === undefined) return { entries, end }
    entries.push(entry)
    end = entry.recordEnd
  }
}

/** The record at `offset`, if it is whole: its trailer, its hash and its message must all be right. */
export async function readRecord(
  readAt: ReadAt,
  segmentId: number,
  offset: number,
): Promise<MessageEntry | undefined> {
  const head = await readRecordHead(readAt, offset)
  if (head === undefined) return undefined
  const { machine, messageBytes, receivedAtMs, contentType } = head.value
  const messageEnd = head.end + messageBytes
  const trailer = await readRecordTrailer(readAt, messageEnd)
  if (trailer === undefined || trailer.value.messageBytes !== messageBytes) return undefined
  try {
    const verifier = new MessageVerifier(contentType, undefined)
    const hasher = new StreamHasher()
    for (let at = head.end; at < messageEnd; ) {
      const piece = await readAt(at, Math.min(readBytes, messageEnd - at))
      if (piece.length === 0) return undefined
      verifier.push(piece)
      hasher.update(piece)
      at += piece.length
    }
    if (hasher.digest() !== trailer.value.messageDigest) return undefined
    const { uploadId, files } = verifier.finish()
    return {
      machine,
      uploadId,
      segmentId,
      recordOffset: offset,
      recordEnd: trailer.end,
      receivedAtMs,
      files: files.map((entry) => ({ ...entry, offset: head.end + entry.offset })),
    }
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}
