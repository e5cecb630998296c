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
  /** All segments, oldest first. */
  list(): Promise<readonly SegmentInfo[]>
  /** Reads up to `sizeBytes` at `offset`; fewer only at the segment's end. One call at a time. */
  read(segmentId: number, offset: number, sizeBytes: number): Promise<Buffer>
  /** Makes sure that what stands in a segment is on stable storage, before it is taken over. */
  sync(segmentId: number): Promise<void>
  /** Takes the bytes from `sizeBytes` on away. For tails that were never acknowledged. */
  truncate(segmentId: number, sizeBytes: number): Promise<void>
  /** Removes a segment nothing refers to. */
  remove(segmentId: number): Promise<void>
  /** Closes what is open. Appends must have settled. */
  close(): Promise<void>
}

export interface OwnSegment {
  readonly segmentId: number
  /** Appends. `pieces` may be reused once it resolves. One call at a time. */
  write(pieces: readonly Buffer[]): Promise<void>
  /** Resolves when all that was written, and the segment's name, are on stable storage. */
  finish(): Promise<void>
  /** Gives the segment and its space up. May be called at any time, also after a failure. */
  discard(): Promise<void>
}
