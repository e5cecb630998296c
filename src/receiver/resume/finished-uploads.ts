import { errnoOf } from '../../base/errors.ts'
import type { Digest } from '../../base/hash.ts'
import type { Catalog } from '../store/catalog.ts'
import { readRecordHead, readRecordTrailer } from '../store/record.ts'
import type { Placement, SegmentStore } from '../store/segment-store.ts'
import type { Complete } from './resumable-upload.ts'
import { Turns } from './turns.ts'

/** Remembered without the disk: those whose answers may have been lost a moment ago. */
const maxRecent = 1000

/**
 * The word on uploads that are finished, for those whose answer was lost. From memory, and from the
 * catalog and the segments after a restart.
 */
export class FinishedUploads {
  readonly #catalog: Catalog
  readonly #segments: SegmentStore
  readonly #recent = new Map<string, Complete>()
  /** The store reads one thing at a time. */
  readonly #reading = new Turns()

  constructor(catalog: Catalog, segments: SegmentStore) {
    this.#catalog = catalog
    this.#segments = segments
  }

  /** @param key - Of machine and upload id. */
  add(key: string, complete: Complete): void {
    if (!isFinal(complete)) return
    if (this.#recent.size >= maxRecent) {
      const [oldest] = this.#recent.keys()
      this.#recent.delete(oldest!)
    }
    this.#recent.set(key, complete)
  }

  /** Undefined: not known, or not to be relied on. */
  async find(key: string, machine: string, uploadId: Digest): Promise<Complete | undefined> {
    const recent = this.#recent.get(key)
    if (recent !== undefined) return recent
    for (const place of await this.#catalog.findMessages(uploadId)) {
      const complete = await this.#reading.take(() => this.#read(place, machine))
      if (complete !== undefined) return complete
    }
    return undefined
  }

  /** What the record says that stands there, if it is this machine's and can be read. */
  async #read(place: Placement, machine: string): Promise<Complete | undefined> {
    try {
      return await this.#readRecord(place, machine)
    } catch (error) {
      // The segment is gone, which each start reports: then nobody knows of this upload.
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async #readRecord(
    { segmentId, offset }: Placement,
    machine: string,
  ): Promise<Complete | undefined> {
    const readAt = (at: number, sizeBytes: number) => this.#segments.read(segmentId, at, sizeBytes)
    const head = await readRecordHead(readAt, offset)
    if (head?.value.machine !== machine) return undefined
    const { messageBytes } = head.value
    const trailer = await readRecordTrailer(readAt, head.end + messageBytes)
    if (trailer === undefined) return undefined
    const { outcomes } = trailer.value
    const complete = { kind: 'complete', outcomes, messageBytes } as const
    return isFinal(complete) ? complete : undefined
  }
}

/** What arrived damaged is not final: the same upload is tried again from its first byte. */
function isFinal({ outcomes }: Complete): boolean {
  return outcomes.every(({ reason }) => reason !== 'digest_mismatch')
}
