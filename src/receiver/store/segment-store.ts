/** Where one record stands. */
export interface Placement {
  readonly segmentId: number
  /** Of the record's first byte in the segment. */
  readonly offset: number
}

export interface SegmentInfo {
  readonly segmentId: number
  readonly sizeBytes: number
}

/** A segment of its own whose record is not complete: a large upload that broke off. */
export interface UnfinishedSegment {
  readonly segmentId: number
  /** What of it may be relied on: after a power cut less than was written. */
  readonly sizeBytes: number
  /** Wall-clock time of the last write. */
  readonly writtenAtMs: number
}

/**
 * The seam for the bytes that arrived: a folder now, object storage at scale. Every implementation
 * passes `test/receiver/store/segment-store-conformance.ts`.
 */
export interface SegmentStore {
  /**
   * Appends records, each given as its pieces, to the shared segment. Resolves when all of them are on
   * stable storage. Rejects for all of them together; a later call then uses another segment. One call
   * at a time.
   */
  appendDurably(records: readonly (readonly Buffer[])[]): Promise<readonly Placement[]>
  /** Starts a segment that will hold one large record. The caller ends it, one way or the other. */
  startOwnSegment(): Promise<OwnSegment>
  /** Those that were started and neither finished nor discarded, when the store was opened. */
  readonly unfinished: readonly UnfinishedSegment[]
  /** Goes on with one of them. */
  reopenOwnSegment(segment: UnfinishedSegment): Promise<OwnSegment>
  /** All finished segments, oldest first. */
  list(): Promise<readonly SegmentInfo[]>
  /** Reads up to `sizeBytes` at `offset`; fewer only at the segment's end. One call at a time. */
  read(segmentId: number, offset: number, sizeBytes: number): Promise<Buffer>
  /**
   * Makes sure that what stands in a segment is on stable storage, before it is taken over.
   *
   * @param fromByte - From here on nobody knows whether a sync of it has failed.
   */
  sync(segmentId: number, fromByte: number): Promise<void>
  /** Takes the bytes from `sizeBytes` on away. For tails that were never acknowledged. */
  truncate(segmentId: number, sizeBytes: number): Promise<void>
  /** Removes a segment nothing refers to. */
  remove(segmentId: number): Promise<void>
  /** Closes what is open. Appends must have settled. */
  close(): Promise<void>
}

/** A segment that holds one large record and grows with its upload. One call at a time. */
export interface OwnSegment {
  readonly segmentId: number
  /** The file that the bytes stand in, for a thread that reads them; undefined when they are nowhere. */
  readonly path: string | undefined
  /** How much has been written. */
  readonly sizeBytes: number
  /** Appends. `pieces` may be reused once it resolves. After a failure nothing of it counts. */
  write(pieces: readonly Buffer[]): Promise<void>
  /** Writes over the beginning. */
  overwriteStart(bytes: Buffer): Promise<void>
  readStart(sizeBytes: number): Promise<Buffer>
  /** Takes away what stands behind so many bytes. */
  cutTo(sizeBytes: number): Promise<void>
  /**
   * Has what was written so far survive a power cut. May run beside `write`. Rejects when the disk
   * failed: then nothing of the segment can be relied on; with {@link NotRecordedError} when it was only
   * short of something.
   */
  checkpoint(): Promise<void>
  /** Resolves when all that was written, and the segment's name, are on stable storage. */
  finish(): Promise<void>
  /** Gives back what an open segment takes up. The next call opens it again. */
  release(): Promise<void>
  /** Gives the segment and its space up. May be called at any time, also after a failure. */
  discard(): Promise<void>
}

/** The bytes are on stable storage, but it could not be noted for now how many they are. */
export class NotRecordedError extends Error {
  override readonly name = 'NotRecordedError'
}
