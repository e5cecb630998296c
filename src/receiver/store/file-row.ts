import { type BytePath, bytePathFromBytes, joinPath } from '../../base/byte-path.ts'
import type { StoredFile } from './catalog.ts'
import { type LabelsRow, labelsFromRow } from './labels-row.ts'

/** One row of the listing, as `node:sqlite` gives it with big integers. */
export interface FileRow extends LabelsRow {
  machine: string
  folder: Uint8Array
  name: Uint8Array
  size: bigint
  mtime_ns: bigint
  ctime_ns: bigint
  blake3: Uint8Array
  received_at_ms: bigint
  segment: bigint
  offset: bigint
}

export function storedFile(row: FileRow): StoredFile {
  return {
    machine: row.machine,
    path: joinPath(bytePathFromBytes(row.folder), bytePathFromBytes(row.name)) as BytePath,
    sizeBytes: Number(row.size),
    mtimeNs: row.mtime_ns,
    ctimeNs: row.ctime_ns,
    digest: Buffer.from(row.blake3).toString('hex'),
    receivedAtMs: Number(row.received_at_ms),
    labels: labelsFromRow(row),
    segmentId: Number(row.segment),
    offset: Number(row.offset),
  }
}
