import type { BytePath } from '../../base/byte-path.ts'
import type { StoredFile } from '../store/catalog.ts'
import { segmentMagic } from '../store/record.ts'
import { type Damage, readRecord } from '../store/recovery.ts'
import type { CatalogReader, SegmentRows } from './catalog-reader.ts'
import { isFileWhole, type ReadSegment } from './segment-reader.ts'

export interface VerifyOptions {
  /** It has been checked. */
  readonly catalog: CatalogReader
  /** Throws when it shall stop. */
  readonly read: ReadSegment
  /** The first segment to look at. */
  readonly fromSegment: number
  /** True for damage that a rebuild has found and given up. */
  readonly isKnown: (place: Damage) => boolean
  readonly onFinding: (finding: Finding) => void
  /** Called when a segment is through; true ends the pass here. */
  readonly onSegment: (segmentId: number) => Promise<boolean>
  /** Grows while the pass goes on. */
  readonly tally: Tally
}

export type Finding =
  /** Its bytes are gone, or no longer have its hash. */
  | { readonly kind: 'file'; readonly file: StoredFile }
  /** A record that cannot be read whole. Files in it may be whole all the same. */
  | { readonly kind: 'place'; readonly place: Damage; readonly isKnown: boolean }
  /** Stored, but not to be found by the catalog. */
  | {
      readonly kind: 'unlisted'
      readonly machine: string
      readonly path: BytePath
      readonly place: Damage
    }

export interface Tally {
  segments: number
  /** Rows of the catalog whose bytes were hashed and are right. */
  files: number
  bytes: number
  /** Findings that are not known already. */
  damages: number
}

/**
 * Reads stored bytes again and compares: each record with its hashes, each file of a record with the
 * catalog, and, where those do not account for every row of the catalog, each row with its bytes.
 * Writes nothing, and may run beside a receiver: it looks at what was entered when the catalog was
 * checked.
 *
 * @returns false when `onSegment` ended it
 */
export async function verifyStored(options: VerifyOptions): Promise<boolean> {
  const { catalog, fromSegment, onSegment, tally } = options
  for (const segment of catalog.segmentsFrom(fromSegment)) {
    await verifySegment(options, segment)
    tally.segments += 1
    if (await onSegment(segment.segmentId)) return false
  }
  return true
}

async function verifySegment(options: VerifyOptions, segment: SegmentRows): Promise<void> {
  const { catalog, read, onFinding, tally, isKnown } = options
  const { segmentId, end } = segment
  const readAt = (offset: number, size: number) =>
    read(segmentId, offset, Math.max(0, Math.min(size, end - offset)))
  let rightRows = 0
  let rightBytes = 0
  const places: Damage[] = []
  if (end > 0 && !(await readAt(0, segmentMagic.length)).equals(segmentMagic)) {
    places.push({ segmentId, fromByte: 0 })
  }
  for (let at = segmentMagic.length; at < end; ) {
    const { entry, isWhole, end: recordEnd } = await readRecord(readAt, segmentId, at)
    if (!isWhole && places.at(-1)?.fromByte !== 0) places.push({ segmentId, fromByte: at })
    for (const file of entry?.files ?? []) {
      const found = catalog.placeOf(entry!.machine, file)
      if (found === undefined) {
        tally.damages += 1
        const place = { segmentId, fromByte: file.offset }
        onFinding({ kind: 'unlisted', machine: entry!.machine, path: file.file.path, place })
      } else if (found.segmentId === segmentId && found.offset === file.offset) {
        rightRows += 1
        rightBytes += file.file.sizeBytes
      }
    }
    if (recordEnd === undefined) break
    at = recordEnd
  }
  for (const place of places) {
    const known = isKnown(place)
    if (!known) tally.damages += 1
    onFinding({ kind: 'place', place, isKnown: known })
  }
  if (rightRows === segment.files) {
    tally.files += rightRows
    tally.bytes += rightBytes
  } else await verifyRows(options, segmentId)
}

async function verifyRows(
  { catalog, read, onFinding, tally }: VerifyOptions,
  segmentId: number,
): Promise<void> {
  for (const file of catalog.filesIn(segmentId)) {
    if (await isFileWhole(read, file)) {
      tally.files += 1
      tally.bytes += file.sizeBytes
    } else {
      tally.damages += 1
      onFinding({ kind: 'file', file })
    }
  }
}
