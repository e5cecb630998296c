import type { BytePath } from '../../base/byte-path.ts'
import type { Digest } from '../../base/hash.ts'
import type { FileLabels, ManifestFile } from '../../wire/manifest.ts'
import type { Placement } from './segment-store.ts'

/** A message whose bytes are durable, ready to be found. */
export interface MessageEntry {
  readonly machine: string
  readonly uploadId: Digest
  readonly segmentId: number
  readonly recordOffset: number
  /** Where the record ends: everything before it in the segment is entered with it. */
  readonly recordEnd: number
  readonly receivedAtMs: number
  /** The files that were taken, not the rejected ones. */
  readonly files: readonly FileEntry[]
}

export interface FileEntry {
  readonly file: ManifestFile
  readonly digest: Digest
  /** Of the file's first byte in the segment. */
  readonly offset: number
}

/** One stored version of a file. */
export interface StoredFile {
  readonly machine: string
  readonly path: BytePath
  readonly sizeBytes: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly digest: Digest
  readonly receivedAtMs: number
  readonly labels: FileLabels
  readonly segmentId: number
  readonly offset: number
}

/**
 * The seam for the index over the segments: SQLite now, PostgreSQL at scale. It holds nothing that the
 * segments do not.
 */
export interface Catalog {
  /**
   * Enters messages in one durable transaction. For each file of each message: true when it is new,
   * false when (machine, path, mtime, size, BLAKE3) was known. Of a message without a new file nothing
   * is kept, not even its place. A message without files only says how far a segment has been looked at.
   * Rejects with nothing entered; after a crash it may turn out to be entered all the same.
   */
  enter(messages: readonly MessageEntry[]): Promise<boolean[][]>
  /** True when every one of these files is stored already. */
  holdsAll(machine: string, files: readonly Omit<FileEntry, 'offset'>[]): Promise<boolean>
  /** Where the records stand that were stored under this upload id, of whichever machine. */
  findMessages(uploadId: Digest): Promise<readonly Placement[]>
  /** False until all segments that were there have been looked at once: the catalog may lack files. */
  readonly complete: boolean
  markComplete(): Promise<void>
  /** Up to where each segment has been entered. */
  segmentEnds(): ReadonlyMap<number, number>
  /** All versions of all files in the order of machine, path and mtime; only of one machine if named. */
  files(machine?: string): Iterable<StoredFile>
  close(): Promise<void>
}
