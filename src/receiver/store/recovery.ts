import { WireError } from '../../wire/wire-error.ts'
import type { Verdict } from '../ingest/verdict.ts'
import { verifierFor } from '../ingest/verifier.ts'
import type { Catalog, FileEntry, MessageEntry } from './catalog.ts'
import {
  type ReadAt,
  type RecordHead,
  type RecordTrailer,
  readRecordHead,
  readRecordTrailer,
  segmentMagic,
} from './record.ts'
import type { SegmentInfo, SegmentStore } from './segment-store.ts'

/** Where a segment cannot be read, or from where on it is gone. */
export interface Damage {
  readonly segmentId: number
  readonly fromByte: number
}

export interface RecoveryReport {
  /** Messages that were durable but not yet in the catalog. */
  readonly enteredMessages: number
  /** Bytes behind the last valid record that were never acknowledged and are gone now. */
  readonly cutBytes: number
  /** What may have been acknowledged and cannot be read. */
  readonly damaged: readonly Damage[]
}

export type RecoverySegments = Pick<SegmentStore, 'list' | 'read' | 'sync' | 'truncate' | 'remove'>
export type RecoveryCatalog = Pick<Catalog, 'complete' | 'markComplete' | 'segmentEnds' | 'enter'>

const readBytes = 1024 * 1024
/** Bounds how long one transaction holds the thread, and what is in memory. */
const filesPerTransaction = 8192

/**
 * Brings the catalog up to date with the segments; runs before the first request is served. What
 * stands behind a segment's entered end was never acknowledged: whole records are entered, the rest is
 * cut away. While the catalog is not complete (it is new, or was lost) nothing is ever cut.
 */
export async function recover(
  segments: RecoverySegments,
  catalog: RecoveryCatalog,
): Promise<RecoveryReport> {
  const mayCut = catalog.complete
  const ends = catalog.segmentEnds()
  const missing = new Set(ends.keys())
  const damaged: Damage[] = []
  let enteredMessages = 0
  let cutBytes = 0
  for (const segment of await segments.list()) {
    const { segmentId, sizeBytes } = segment
    missing.delete(segmentId)
    const knownEnd = ends.get(segmentId) ?? 0
    if (sizeBytes < knownEnd) damaged.push({ segmentId, fromByte: sizeBytes })
    if (sizeBytes <= knownEnd && (knownEnd > 0 || !mayCut)) continue
    const found = await enterRecords(segments, catalog, segment, knownEnd)
    enteredMessages += found.entered
    if (mayCut) {
      cutBytes += sizeBytes - found.end
      if (knownEnd === 0 && found.entered === 0) await segments.remove(segmentId)
      else if (found.end < sizeBytes) await segments.truncate(segmentId, found.end)
    } else if (found.damagedAt.length > 0) {
      for (const fromByte of found.damagedAt) damaged.push({ segmentId, fromByte })
      await catalog.enter([endOfSegment(segment)])
    }
  }
  for (const segmentId of missing) damaged.push({ segmentId, fromByte: 0 })
  if (!mayCut) await catalog.markComplete()
  return { enteredMessages, cutBytes, damaged }
}

interface Found {
  /** Messages that brought the catalog something new. */
  readonly entered: number
  /** Where the last valid record ends. */
  readonly end: number
  readonly damagedAt: readonly number[]
}

/** Enters all valid records from `from` on. */
async function enterRecords(
  segments: RecoverySegments,
  catalog: RecoveryCatalog,
  { segmentId, sizeBytes }: SegmentInfo,
  from: number,
): Promise<Found> {
  const readAt: ReadAt = (offset, size) => segments.read(segmentId, offset, size)
  const damagedAt: number[] = []
  let entered = 0
  let end = from
  if (from === 0) {
    if (!(await readAt(0, segmentMagic.length)).equals(segmentMagic)) {
      damagedAt.push(0)
      if (catalog.complete) return { entered, end, damagedAt }
    }
    end = segmentMagic.length
  }
  let isSynced = false
  let entries: MessageEntry[] = []
  let files = 0
  const enter = async () => {
    if (entries.length === 0) return
    // A rebuild would write everything once more.
    if (!isSynced) await segments.sync(segmentId, catalog.complete ? from : sizeBytes)
    isSynced = true
    const isNew = await catalog.enter(entries)
    entered += isNew.filter((ofMessage) => ofMessage.includes(true)).length
    entries = []
    files = 0
  }
  for (let at = end; at < sizeBytes; ) {
    const { entry, isWhole, end: recordEnd } = await readRecord(readAt, segmentId, at)
    // A segment that is damaged from its first byte on is one place, not two.
    if (!isWhole && damagedAt.at(-1) !== 0) damagedAt.push(at)
    if (recordEnd === undefined || (!isWhole && catalog.complete)) break
    at = recordEnd
    if (isWhole) end = recordEnd
    if (entry === undefined) continue
    entries.push(entry)
    files += entry.files.length
    if (files >= filesPerTransaction) await enter()
  }
  await enter()
  return { entered, end, damagedAt }
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

export interface ReadRecord {
  /** Of a whole record; of a damaged one its files that are whole all the same, if it has any. */
  readonly entry?: MessageEntry
  /** Its head, trailer, hash and message are all right. */
  readonly isWhole: boolean
  /** Where the next record stands: known also when only the message is damaged. */
  readonly end?: number
}

/** Reads all of the record at `offset`, and hashes every file in it. */
export async function readRecord(
  readAt: ReadAt,
  segmentId: number,
  offset: number,
): Promise<ReadRecord> {
  const head = await readRecordHead(readAt, offset)
  if (head === undefined) return { isWhole: false }
  const { machine, messageBytes, receivedAtMs, contentType, contentDisposition } = head.value
  const messageEnd = head.end + messageBytes
  const trailer = await readRecordTrailer(readAt, messageEnd)
  if (trailer === undefined || trailer.value.messageBytes !== messageBytes) {
    return { isWhole: false }
  }
  const { end } = trailer
  try {
    const verifier = verifierFor({ contentType, contentDisposition, uploadId: undefined })
    for (let at = head.end; at < messageEnd; ) {
      const piece = await readAt(at, Math.min(readBytes, messageEnd - at))
      if (piece.length === 0) return { isWhole: false }
      verifier.push(piece)
      at += piece.length
    }
    const verdict = verifier.finish()
    const isWhole = verdict.messageDigest === trailer.value.messageDigest
    const files = isWhole ? verdict.files : wholeFiles(verdict, head.value, trailer.value)
    if (files.length === 0 && !isWhole) return { isWhole, end }
    const entry: MessageEntry = {
      machine,
      // Whoever asks for a damaged upload must not hear that all of it is stored.
      uploadId: isWhole ? head.value.uploadId : '',
      segmentId,
      recordOffset: offset,
      recordEnd: end,
      receivedAtMs,
      files: files.map((file) => ({ ...file, offset: head.end + file.offset })),
    }
    return { entry, isWhole, end }
  } catch (error) {
    if (error instanceof WireError) return { isWhole: false, end }
    throw error
  }
}

/**
 * The files of a damaged message that are as they arrived. Their names are trusted only while the
 * manifest is the one that the head of the record names.
 */
function wholeFiles(
  { uploadId, files }: Verdict,
  head: RecordHead,
  { outcomes }: RecordTrailer,
): readonly FileEntry[] {
  if (uploadId !== head.uploadId) return []
  const arrived = new Set(
    outcomes.filter(({ status }) => status !== 'rejected').map(({ digest }) => digest),
  )
  return files.filter(({ digest }) => arrived.has(digest))
}
