import type { Readable } from 'node:stream'
import { blake3, type Digest, StreamHasher } from '../../base/hash.ts'
import { maxBundleMessageBytes } from '../../wire/limits.ts'
import type { Outcome } from '../../wire/outcome.ts'
import type { Catalog } from '../store/catalog.ts'
import {
  encodeRecordHead,
  encodeRecordTrailer,
  type RecordHead,
  segmentMagic,
} from '../store/record.ts'
import type { OwnSegment, SegmentStore } from '../store/segment-store.ts'
import { GroupCommit, NotDurableError } from './group-commit.ts'
import { MemoryBudget } from './memory-budget.ts'
import { inBatches, readWhole } from './message-body.ts'
import { MessageVerifier, type Verdict } from './verify-message.ts'

export interface IncomingMessage {
  readonly machine: string
  readonly contentType: string
  readonly contentDisposition: string
  /** Declared by the sender; the message is complete when this many bytes have arrived. */
  readonly contentLength: number
  /** What `Idempotency-Key` says, if it was sent. */
  readonly uploadId: Digest | undefined
  /** True for an upload of one file, which goes into a segment of its own. */
  readonly single: boolean
  /** Not yet flowing. The caller destroys it. */
  readonly body: Readable
}

export interface IngestOptions {
  readonly segments: SegmentStore
  readonly catalog: Catalog
  readonly wallMs: () => number
  /** For messages that are held until they are complete. */
  readonly memoryBytes: number
  /** A segment that nothing refers to could not be removed: it is found again at the next start. */
  readonly onLeftOver: (error: unknown) => void
}

/** Takes messages in: verifies them while they arrive, and has them made durable. */
export class Ingest {
  readonly #options: IngestOptions
  readonly #commit: GroupCommit
  readonly #memory: MemoryBudget

  constructor(options: IngestOptions) {
    this.#options = options
    this.#commit = new GroupCommit(options.segments, options.catalog)
    this.#memory = new MemoryBudget(Math.max(options.memoryBytes, maxBundleMessageBytes))
  }

  /**
   * Resolves with the outcome of each file when all of it is durable, or with undefined when the
   * message broke off: that is nobody's fault, and there is nobody left to answer.
   *
   * @throws WireError when the message is not one of this protocol
   * @throws NotDurableError when the disk failed
   */
  async take(message: IncomingMessage): Promise<readonly Outcome[] | undefined> {
    return message.single ? this.#takeSingle(message) : this.#takeBundle(message)
  }

  /** Resolves when everything that was complete has been answered. */
  drain(): Promise<void> {
    return this.#commit.drain()
  }

  async #takeBundle(incoming: IncomingMessage): Promise<readonly Outcome[] | undefined> {
    const { contentLength, machine } = incoming
    const receivedAtMs = this.#options.wallMs()
    const verifier = new MessageVerifier(incoming.contentType, incoming.uploadId)
    await this.#memory.take(contentLength)
    try {
      const message = await readWhole(incoming.body, contentLength)
      if (message === undefined) return undefined
      verifier.push(message)
      const verdict = verifier.finish()
      if (verdict.files.length === 0) return verdict.outcomes
      if (await this.#options.catalog.holdsAll(machine, verdict.files)) {
        return verdict.outcomes.map(asAlreadyStored)
      }
      const head = encodeRecordHead(headOf(incoming, verdict, receivedAtMs))
      const trailer = encodeRecordTrailer({
        messageBytes: contentLength,
        messageDigest: blake3(message),
        outcomes: verdict.outcomes,
      })
      return await this.#commit.commit({
        ...verdictInRecord(verdict, head.length),
        machine,
        receivedAtMs,
        recordBytes: head.length + message.length + trailer.length,
        record: [head, message, trailer],
      })
    } finally {
      this.#memory.giveBack(contentLength)
    }
  }

  async #takeSingle(incoming: IncomingMessage): Promise<readonly Outcome[] | undefined> {
    const verifier = new MessageVerifier(incoming.contentType, incoming.uploadId)
    const segment = await this.#startOwnSegment()
    let keep = false
    try {
      const outcomes = await this.#streamInto(segment, incoming, verifier)
      keep = outcomes?.some(({ status }) => status === 'stored') ?? false
      return outcomes
    } finally {
      if (!keep) await segment.discard().catch(this.#options.onLeftOver)
    }
  }

  async #startOwnSegment(): Promise<OwnSegment> {
    try {
      return await this.#options.segments.startOwnSegment()
    } catch (cause) {
      throw new NotDurableError('no segment could be started', { cause })
    }
  }

  async #streamInto(
    segment: OwnSegment,
    incoming: IncomingMessage,
    verifier: MessageVerifier,
  ): Promise<readonly Outcome[] | undefined> {
    const { contentLength, machine } = incoming
    const receivedAtMs = this.#options.wallMs()
    // The id in a head must be known before the body: a sender that names none gets one at the end,
    // and its head says so with zeros. The manifest's hash can always be computed again.
    const uploadId = incoming.uploadId ?? '0'.repeat(64)
    const head = encodeRecordHead(headOf(incoming, { uploadId }, receivedAtMs))
    const hasher = new StreamHasher()
    await write(segment, [segmentMagic, head])
    let arrivedBytes = 0
    for await (const pieces of inBatches(incoming.body, contentLength)) {
      for (const piece of pieces) {
        arrivedBytes += piece.length
        verifier.push(piece)
        hasher.update(piece)
      }
      await write(segment, pieces)
    }
    if (arrivedBytes !== contentLength) return undefined
    const verdict = verifier.finish()
    if (verdict.files.length === 0) return verdict.outcomes
    const trailer = encodeRecordTrailer({
      messageBytes: contentLength,
      messageDigest: hasher.digest(),
      outcomes: verdict.outcomes,
    })
    await write(segment, [trailer])
    return this.#commit.commit({
      ...verdictInRecord(verdict, head.length),
      machine,
      receivedAtMs,
      recordBytes: head.length + contentLength + trailer.length,
      record: segment,
    })
  }
}

function headOf(
  incoming: IncomingMessage,
  { uploadId }: Pick<Verdict, 'uploadId'>,
  receivedAtMs: number,
): RecordHead {
  const { machine, contentType, contentDisposition, contentLength } = incoming
  return {
    machine,
    uploadId,
    receivedAtMs,
    contentType,
    contentDisposition,
    messageBytes: contentLength,
  }
}

/** Offsets that counted from the message's first byte count from the record's. */
function verdictInRecord(verdict: Verdict, headBytes: number): Verdict {
  const files = verdict.files.map((entry) => ({ ...entry, offset: entry.offset + headBytes }))
  return { ...verdict, files }
}

function asAlreadyStored(outcome: Outcome): Outcome {
  return outcome.status === 'stored' ? { ...outcome, status: 'already_stored' } : outcome
}

async function write(segment: OwnSegment, pieces: readonly Buffer[]): Promise<void> {
  try {
    await segment.write(pieces)
  } catch (cause) {
    throw new NotDurableError('the segment could not be written', { cause })
  }
}
