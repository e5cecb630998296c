import type { Readable } from 'node:stream'
import type { Digest } from '../../base/hash.ts'
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
  /** True for a large upload, which goes into a segment of its own as it arrives. */
  readonly single: boolean
  /** Not yet flowing. The caller destroys it. */
  readonly body: Readable
  /** Told of bytes that take room on the disk from now on, while the message is still arriving. */
  readonly onWritten?: (sizeBytes: number) => void
}

export interface IngestOptions {
  readonly segments: SegmentStore
  readonly catalog: Catalog
  readonly wallMs: () => number
  /** For messages that are held until they are complete; as much again for large uploads under way. */
  readonly memoryBytes: number
  /** A segment stays that perhaps nothing refers to. The next start finds out, and removes it then. */
  readonly onLeftOver: (error: unknown) => void
}

/** What a large upload may hold: two batches of its body, and its manifest. Bounds open files as well. */
const largeUploadBytes = 1024 * 1024

/** Takes messages in: verifies them while they arrive, and has them made durable. */
export class Ingest {
  readonly #options: IngestOptions
  readonly #commit: GroupCommit
  readonly #memory: MemoryBudget
  readonly #largeUploads: MemoryBudget

  constructor(options: IngestOptions) {
    this.#options = options
    this.#commit = new GroupCommit(options.segments, options.catalog)
    this.#memory = new MemoryBudget(Math.max(options.memoryBytes, maxBundleMessageBytes))
    this.#largeUploads = new MemoryBudget(Math.max(options.memoryBytes, largeUploadBytes))
  }

  /**
   * Resolves with the outcome of each file when all of it is durable, or with undefined when the
   * message broke off: that is nobody's fault, and there is nobody left to answer.
   *
   * @throws WireError when the message is not one of this protocol
   * @throws NotDurableError when the disk failed
   */
  async take(message: IncomingMessage): Promise<readonly Outcome[] | undefined> {
    const verifier = new MessageVerifier(message.contentType, message.uploadId)
    message.body.on('error', ignoreBreak)
    // Apart, so that large uploads over slow links, which take hours, hold no small files up.
    const budget = message.single ? this.#largeUploads : this.#memory
    const sizeBytes = message.single ? largeUploadBytes : message.contentLength
    if (!(await budget.take(sizeBytes, message.body))) return undefined
    try {
      return message.single
        ? await this.#takeLarge(message, verifier)
        : await this.#takeBundle(message, verifier)
    } finally {
      budget.giveBack(sizeBytes)
    }
  }

  /** Resolves when everything that was complete has been answered. */
  drain(): Promise<void> {
    return this.#commit.drain()
  }

  async #takeBundle(
    incoming: IncomingMessage,
    verifier: MessageVerifier,
  ): Promise<readonly Outcome[] | undefined> {
    const { contentLength, machine } = incoming
    const receivedAtMs = this.#options.wallMs()
    const message = await readWhole(incoming.body, contentLength)
    if (message === undefined) return undefined
    verifier.push(message)
    const verdict = verifier.finish()
    const known = await this.#knownOutcomes(machine, verdict)
    if (known !== undefined) return known
    const head = encodeRecordHead(headOf(incoming, verdict.uploadId, receivedAtMs))
    const trailer = encodeRecordTrailer({
      messageBytes: contentLength,
      messageDigest: verdict.messageDigest,
      outcomes: verdict.outcomes,
    })
    return this.#commit.commit({
      ...verdictInRecord(verdict, head.length),
      machine,
      receivedAtMs,
      recordBytes: head.length + message.length + trailer.length,
      record: [head, message, trailer],
    })
  }

  async #takeLarge(
    incoming: IncomingMessage,
    verifier: MessageVerifier,
  ): Promise<readonly Outcome[] | undefined> {
    const segment = await durably(this.#options.segments.startOwnSegment())
    let isReferredTo = false
    try {
      const outcomes = await this.#streamInto(segment, incoming, verifier)
      isReferredTo = outcomes?.some(({ status }) => status === 'stored') ?? false
      return outcomes
    } catch (error) {
      isReferredTo = error instanceof NotDurableError && error.mayBeEntered
      if (isReferredTo) this.#options.onLeftOver(error)
      throw error
    } finally {
      if (!isReferredTo) await segment.discard().catch(this.#options.onLeftOver)
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
    const head = encodeRecordHead(headOf(incoming, incoming.uploadId ?? noUploadId, receivedAtMs))
    await durably(segment.write([segmentMagic, head]))
    let arrivedBytes = 0
    for await (const batch of inBatches(incoming.body, contentLength)) {
      verifier.push(batch)
      await durably(segment.write([batch]))
      incoming.onWritten?.(batch.length)
      arrivedBytes += batch.length
    }
    if (arrivedBytes !== contentLength) return undefined
    const verdict = verifier.finish()
    const known = await this.#knownOutcomes(machine, verdict)
    if (known !== undefined) return known
    const trailer = encodeRecordTrailer({
      messageBytes: contentLength,
      messageDigest: verdict.messageDigest,
      outcomes: verdict.outcomes,
    })
    await durably(segment.write([trailer]))
    // Not in a group: what the disk takes long to sync holds no small files up.
    await durably(segment.finish())
    return this.#commit.commit({
      ...verdictInRecord(verdict, head.length),
      machine,
      receivedAtMs,
      recordBytes: head.length + contentLength + trailer.length,
      record: { segmentId: segment.segmentId, offset: segmentMagic.length },
    })
  }

  /** The outcomes of a message that brings nothing to store; undefined when there is something. */
  async #knownOutcomes(
    machine: string,
    { files, outcomes }: Verdict,
  ): Promise<readonly Outcome[] | undefined> {
    if (files.length === 0) return outcomes
    if (!(await durably(this.#options.catalog.holdsAll(machine, files)))) return undefined
    return outcomes.map(asAlreadyStored)
  }
}

/** What an error means for the message shows in the bytes that are missing. */
function ignoreBreak(): void {}

const noUploadId: Digest = '0'.repeat(64)

function headOf(incoming: IncomingMessage, uploadId: Digest, receivedAtMs: number): RecordHead {
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

/** What the disk or the catalog refuses before anything refers to the bytes. */
async function durably<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new NotDurableError('a segment or the catalog failed', { cause, mayBeEntered: false })
  }
}
