import type { Readable } from 'node:stream'
import type { Digest } from '../../base/hash.ts'
import { maxBundleMessageBytes } from '../../wire/limits.ts'
import type { Outcome } from '../../wire/outcome.ts'
import type { Catalog } from '../store/catalog.ts'
import { encodeRecordHead, encodeRecordTrailer } from '../store/record.ts'
import { type GroupCommit, NotDurableError } from './group-commit.ts'
import { MemoryBudget } from './memory-budget.ts'
import { readWhole } from './message-body.ts'
import { asAlreadyStored, verdictInRecord } from './record-verdict.ts'
import type { Verdict } from './verdict.ts'
import { verifierFor } from './verifier.ts'

export interface IncomingMessage {
  readonly machine: string
  readonly contentType: string
  readonly contentDisposition: string
  /** Declared by the sender; the message is complete when this many bytes have arrived. */
  readonly contentLength: number
  /** What `Idempotency-Key` says, if it was sent. */
  readonly uploadId: Digest | undefined
  /** Not yet flowing. The caller destroys it. */
  readonly body: Readable
}

export interface IngestOptions {
  readonly catalog: Catalog
  readonly commit: GroupCommit
  readonly wallMs: () => number
  /** For messages that are held until they are complete. */
  readonly memoryBytes: number
}

/** Takes messages in that fit into memory: verifies them, and has them made durable. */
export class Ingest {
  readonly #options: IngestOptions
  readonly #memory: MemoryBudget

  constructor(options: IngestOptions) {
    this.#options = options
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
    const { machine, body, contentLength } = message
    const verifier = verifierFor(message)
    body.on('error', ignoreBreak)
    if (!(await this.#memory.take(machine, contentLength, body))) return undefined
    try {
      const receivedAtMs = this.#options.wallMs()
      const bytes = await readWhole(body, contentLength)
      if (bytes === undefined) return undefined
      verifier.push(bytes)
      return await this.#store(message, receivedAtMs, bytes, verifier.finish())
    } finally {
      this.#memory.giveBack(machine, contentLength)
    }
  }

  async #store(
    message: IncomingMessage,
    receivedAtMs: number,
    bytes: Buffer,
    verdict: Verdict,
  ): Promise<readonly Outcome[]> {
    const { machine } = message
    const { files, outcomes, messageDigest, uploadId } = verdict
    if (files.length === 0) return outcomes
    if (await this.#holdsAll(machine, verdict)) return outcomes.map(asAlreadyStored)
    const messageBytes = bytes.length
    const head = encodeRecordHead({ ...message, uploadId, receivedAtMs, messageBytes })
    const trailer = encodeRecordTrailer({ messageBytes, messageDigest, outcomes })
    return this.#options.commit.commit({
      ...verdictInRecord(verdict, head.length),
      machine,
      receivedAtMs,
      recordBytes: head.length + messageBytes + trailer.length,
      record: [head, bytes, trailer],
    })
  }

  async #holdsAll(machine: string, { files }: Verdict): Promise<boolean> {
    try {
      return await this.#options.catalog.holdsAll(machine, files)
    } catch (cause) {
      throw new NotDurableError('the catalog failed', { cause, mayBeEntered: false })
    }
  }
}

/** What an error means for the message shows in the bytes that are missing. */
function ignoreBreak(): void {}
