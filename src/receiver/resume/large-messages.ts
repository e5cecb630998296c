import type { Digest } from '../../base/hash.ts'
import type { Outcome } from '../../wire/outcome.ts'
import { durably } from '../ingest/durably.ts'
import type { GroupCommit } from '../ingest/group-commit.ts'
import { asAlreadyStored, verdictInRecord } from '../ingest/record-verdict.ts'
import type { Verdict } from '../ingest/verdict.ts'
import type { Catalog } from '../store/catalog.ts'
import {
  encodeRecordHead,
  encodeRecordTrailer,
  readRecordHead,
  segmentMagic,
  unknownMessageBytes,
} from '../store/record.ts'
import type { OwnSegment, SegmentStore } from '../store/segment-store.ts'
import type { Stored } from './resumable-upload.ts'

/** What the head of a large message's record says. */
export interface MessageFacts {
  readonly machine: string
  readonly uploadId: Digest
  readonly receivedAtMs: number
  readonly contentType: string
  readonly contentDisposition: string
  /** Undefined until it is known. */
  readonly messageBytes: number | undefined
}

interface Beginning {
  readonly facts: MessageFacts
  readonly messageStart: number
}

/** More than any head has. */
const maxBeginningBytes = 64 * 1024

export interface LargeMessagesOptions {
  readonly segments: SegmentStore
  readonly catalog: Catalog
  readonly commit: GroupCommit
  /** A segment stays that perhaps nothing refers to. The next start finds out, and removes it then. */
  readonly onLeftOver: (error: unknown) => void
}

/** Large messages as records, each in a segment of its own. */
export class LargeMessages {
  readonly #options: LargeMessagesOptions

  constructor(options: LargeMessagesOptions) {
    this.#options = options
  }

  get onLeftOver(): (error: unknown) => void {
    return this.#options.onLeftOver
  }

  /** Starts the segment of a message. @throws NotDurableError */
  async begin(
    facts: MessageFacts,
  ): Promise<{ readonly segment: OwnSegment; readonly messageStart: number }> {
    const beginning = encodeBeginning(facts)
    const segment = await durably(this.#options.segments.startOwnSegment())
    try {
      await durably(segment.write([beginning]))
    } catch (error) {
      await segment.discard().catch(this.#options.onLeftOver)
      throw error
    }
    return { segment, messageStart: beginning.length }
  }

  /** What an unfinished segment was begun with; undefined when it cannot be gone on with. */
  async readBeginning(segment: OwnSegment): Promise<Beginning | undefined> {
    const start = await segment.readStart(maxBeginningBytes)
    if (!start.subarray(0, segmentMagic.length).equals(segmentMagic)) return undefined
    const readAt = async (offset: number, sizeBytes: number) =>
      start.subarray(offset, offset + sizeBytes)
    const head = await readRecordHead(readAt, segmentMagic.length)
    if (head === undefined) return undefined
    const { messageBytes: announced } = head.value
    const messageBytes = announced === unknownMessageBytes ? undefined : announced
    // Its record was being finished: what stands behind the message is written again then.
    const messageEnd = head.end + announced
    if (segment.sizeBytes > messageEnd) await segment.cutTo(messageEnd)
    return { facts: { ...head.value, messageBytes }, messageStart: head.end }
  }

  /**
   * Makes a message durable of which all bytes stand in its segment. The caller discards a segment
   * that nothing refers to.
   *
   * @throws NotDurableError
   */
  async store(
    facts: MessageFacts & { readonly messageBytes: number },
    segment: OwnSegment,
    verdict: Verdict,
  ): Promise<Stored> {
    const { catalog, commit } = this.#options
    const { machine, uploadId, receivedAtMs, messageBytes } = facts
    if (verdict.files.length === 0) return { outcomes: verdict.outcomes, isReferredTo: false }
    if (await durably(catalog.holdsAll(machine, verdict.files))) {
      return { outcomes: verdict.outcomes.map(asAlreadyStored), isReferredTo: false }
    }
    const beginning = encodeBeginning(facts)
    const { outcomes, messageDigest } = verdict
    const trailer = encodeRecordTrailer({ messageBytes, messageDigest, outcomes })
    // The length may have become known only now.
    await durably(segment.overwriteStart(beginning))
    await durably(segment.write([trailer]))
    // Not in a group: what the disk takes long to sync holds no small files up.
    await durably(segment.finish())
    const headBytes = beginning.length - segmentMagic.length
    const committed = await commit.commit({
      ...verdictInRecord(verdict, headBytes),
      // Under the name that its sender knows it by.
      uploadId,
      machine,
      receivedAtMs,
      recordBytes: headBytes + messageBytes + trailer.length,
      record: { segmentId: segment.segmentId, offset: segmentMagic.length },
    })
    return { outcomes: committed, isReferredTo: committed.some(isStored) }
  }
}

function encodeBeginning(facts: MessageFacts): Buffer {
  const messageBytes = facts.messageBytes ?? unknownMessageBytes
  return Buffer.concat([segmentMagic, encodeRecordHead({ ...facts, messageBytes })])
}

function isStored({ status }: Outcome): boolean {
  return status === 'stored'
}
