import { errnoOf } from '../../base/errors.ts'
import type { Digest } from '../../base/hash.ts'
import type { Catalog } from '../store/catalog.ts'
import { readRecordHead, readRecordTrailer } from '../store/record.ts'
import type { Placement, SegmentStore } from '../store/segment-store.ts'
import type { Complete } from './resumable-upload.ts'
import { Turns } from './turns.ts'

/**
 * Outcomes that are remembered without the disk: those whose answers may have been lost a moment ago.
 * Not uploads: a message may have a thousand outcomes, each with a path.
 */
const maxRecentOutcomes = 2000

export interface Finished extends Complete {
  /** Of the request that began it. */
  readonly contentDisposition: string
}

/**
 * The word on uploads that are finished, for those whose answer was lost. From memory, and from the
 * catalog and the segments after a restart.
 */
export class FinishedUploads {
  readonly #catalog: Catalog
  readonly #segments: SegmentStore
  readonly #recent = new Map<string, Finished>()
  #recentOutcomes = 0
  /** The store reads one thing at a time. */
  readonly #reading = new Turns()

  constructor(catalog: Catalog, segments: SegmentStore) {
    this.#catalog = catalog
    this.#segments = segments
  }

  /** @param key - Of machine and upload id. */
  add(key: string, finished: Finished): void {
    if (!isFinal(finished)) return
    this.#forget(key)
    this.#recent.set(key, finished)
    this.#recentOutcomes += finished.outcomes.length
    for (const oldest of this.#recent.keys()) {
      if (this.#recentOutcomes <= maxRecentOutcomes) break
      this.#forget(oldest)
    }
  }

  #forget(key: string): void {
    this.#recentOutcomes -= this.#recent.get(key)?.outcomes.length ?? 0
    this.#recent.delete(key)
  }

  /** Undefined: not known, or not to be relied on. */
  async find(key: string, machine: string, uploadId: Digest): Promise<Finished | undefined> {
    const recent = this.#recent.get(key)
    if (recent !== undefined) return recent
    for (const place of await this.#catalog.findMessages(uploadId)) {
      const finished = await this.#reading.take(() => this.#read(place, machine))
      if (finished !== undefined) return finished
    }
    return undefined
  }

  /** What the record says that stands there, if it is this machine's and can be read. */
  async #read(place: Placement, machine: string): Promise<Finished | undefined> {
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
  ): Promise<Finished | undefined> {
    const readAt = (at: number, sizeBytes: number) => this.#segments.read(segmentId, at, sizeBytes)
    const head = await readRecordHead(readAt, offset)
    if (head?.value.machine !== machine) return undefined
    const { messageBytes, contentDisposition } = head.value
    const trailer = await readRecordTrailer(readAt, head.end + messageBytes)
    if (trailer === undefined) return undefined
    const { outcomes } = trailer.value
    const finished = { kind: 'complete', outcomes, messageBytes, contentDisposition } as const
    return isFinal(finished) ? finished : undefined
  }
}

/** What arrived damaged is not final: the same upload is tried again from its first byte. */
function isFinal({ outcomes }: Complete): boolean {
  return outcomes.every(({ reason }) => reason !== 'digest_mismatch')
}
