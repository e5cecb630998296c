import type {
  OwnSegment,
  Placement,
  SegmentInfo,
  SegmentStore,
  UnfinishedSegment,
} from './segment-store.ts'

/**
 * Throws everything away, and says that it is durable: `receiver start --store null`, for measuring
 * the way to the disk without the disk. Only machines made for such a receiver may use it.
 */
export class NullSegmentStore implements SegmentStore {
  async appendDurably(records: readonly (readonly Buffer[])[]): Promise<readonly Placement[]> {
    return records.map(() => ({ segmentId: 0, offset: 0 }))
  }

  async startOwnSegment(): Promise<OwnSegment> {
    return new NullOwnSegment()
  }

  readonly unfinished: readonly UnfinishedSegment[] = []

  reopenOwnSegment(): Promise<OwnSegment> {
    return this.startOwnSegment()
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

class NullOwnSegment implements OwnSegment {
  readonly segmentId = 0
  readonly path = undefined
  sizeBytes = 0

  async write(pieces: readonly Buffer[]): Promise<void> {
    for (const { length } of pieces) this.sizeBytes += length
  }

  async readStart(): Promise<Buffer> {
    return Buffer.alloc(0)
  }

  overwriteStart = done
  cutTo = done
  checkpoint = done
  finish = done
  release = done
  discard = done
}

async function done(): Promise<void> {}
