import { segmentMagic } from '../../../src/receiver/store/record.ts'
import type {
  OwnSegment,
  Placement,
  SegmentInfo,
  SegmentStore,
  UnfinishedSegment,
} from '../../../src/receiver/store/segment-store.ts'

/** Segments in memory: fast enough to try every byte, and easy to break. */
export class MemorySegmentStore implements SegmentStore {
  readonly segments: Map<number, Buffer>
  #nextId: number
  #sharedId: number | undefined

  constructor(segments: ReadonlyMap<number, Buffer> = new Map()) {
    this.segments = new Map(segments)
    this.#nextId = Math.max(0, ...segments.keys()) + 1
  }

  async appendDurably(records: readonly (readonly Buffer[])[]): Promise<readonly Placement[]> {
    this.#sharedId ??= this.#start(segmentMagic)
    const segmentId = this.#sharedId
    return records.map((record) => {
      const offset = this.#bytesOf(segmentId).length
      this.#append(segmentId, record)
      return { segmentId, offset }
    })
  }

  async startOwnSegment(): Promise<OwnSegment> {
    const segmentId = this.#nextId++
    return new MemoryOwnSegment(segmentId, this)
  }

  readonly unfinished: readonly UnfinishedSegment[] = []

  reopenOwnSegment(): Promise<OwnSegment> {
    throw new Error('nothing is unfinished')
  }

  async list(): Promise<readonly SegmentInfo[]> {
    return [...this.segments]
      .map(([segmentId, bytes]) => ({ segmentId, sizeBytes: bytes.length }))
      .sort((a, b) => a.segmentId - b.segmentId)
  }

  async read(segmentId: number, offset: number, sizeBytes: number): Promise<Buffer> {
    return this.#bytesOf(segmentId).subarray(offset, offset + sizeBytes)
  }

  async sync(segmentId: number): Promise<void> {
    this.#bytesOf(segmentId)
  }

  async truncate(segmentId: number, sizeBytes: number): Promise<void> {
    this.segments.set(segmentId, this.#bytesOf(segmentId).subarray(0, sizeBytes))
  }

  async remove(segmentId: number): Promise<void> {
    this.segments.delete(segmentId)
  }

  async close(): Promise<void> {}

  #start(bytes: Buffer): number {
    const segmentId = this.#nextId++
    this.segments.set(segmentId, bytes)
    return segmentId
  }

  #append(segmentId: number, pieces: readonly Buffer[]): void {
    this.segments.set(segmentId, Buffer.concat([this.#bytesOf(segmentId), ...pieces]))
  }

  #bytesOf(segmentId: number): Buffer {
    const bytes = this.segments.get(segmentId)
    if (bytes === undefined) throw new Error(`no segment ${segmentId}`)
    return bytes
  }
}

class MemoryOwnSegment implements OwnSegment {
  readonly path = undefined
  readonly segmentId: number
  readonly #store: MemorySegmentStore
  #bytes: Buffer = Buffer.alloc(0)

  constructor(segmentId: number, store: MemorySegmentStore) {
    this.segmentId = segmentId
    this.#store = store
  }

  get sizeBytes(): number {
    return this.#bytes.length
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    this.#bytes = Buffer.concat([this.#bytes, ...pieces])
  }

  async overwriteStart(bytes: Buffer): Promise<void> {
    bytes.copy(this.#bytes)
  }

  async readStart(sizeBytes: number): Promise<Buffer> {
    return this.#bytes.subarray(0, sizeBytes)
  }

  async cutTo(sizeBytes: number): Promise<void> {
    this.#bytes = this.#bytes.subarray(0, sizeBytes)
  }

  async checkpoint(): Promise<void> {}

  async release(): Promise<void> {}

  async finish(): Promise<void> {
    this.#store.segments.set(this.segmentId, this.#bytes)
  }

  discard(): Promise<void> {
    return this.#store.remove(this.segmentId)
  }
}
