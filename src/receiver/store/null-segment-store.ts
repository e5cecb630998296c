import type { OwnSegment, Placement, SegmentInfo, SegmentStore } from './segment-store.ts'

/**
 * Throws everything away, and says that it is durable: `receiver start --store null`, for measuring
 * the way to the disk without the disk. Only machines made for such a receiver may use it.
 */
export class NullSegmentStore implements SegmentStore {
  async appendDurably(records: readonly (readonly Buffer[])[]): Promise<readonly Placement[]> {
    return records.map(() => ({ segmentId: 0, offset: 0 }))
  }

  async startOwnSegment(): Promise<OwnSegment> {
    return { segmentId: 0, write: done, finish: done, discard: done }
  }

  async list(): Promise<readonly SegmentInfo[]> {
    return []
  }

  async read(): Promise<Buffer> {
    return Buffer.alloc(0)
  }

  sync = done
  truncate = done
  remove = done
  close = done
}

async function done(): Promise<void> {}
