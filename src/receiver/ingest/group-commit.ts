import type { Digest } from '../../base/hash.ts'
import type { Outcome } from '../../wire/outcome.ts'
import type { Catalog, FileEntry, MessageEntry } from '../store/catalog.ts'
import type { OwnSegment, SegmentStore } from '../store/segment-store.ts'

/** The bytes or the index could not be made durable: nothing was acknowledged. */
export class NotDurableError extends Error {
  override readonly name = 'NotDurableError'
}

/** A verified message, ready to be made durable. */
export interface VerifiedMessage {
  readonly machine: string
  readonly uploadId: Digest
  readonly receivedAtMs: number
  /** The files that were taken; offsets count from the first byte of the record. */
  readonly files: readonly FileEntry[]
  /** The outcome of every file of the manifest, with `stored` for each that was taken. */
  readonly outcomes: readonly Outcome[]
  readonly recordBytes: number
  /** The record for the shared segment, or the segment that holds it already. */
  readonly record: readonly Buffer[] | OwnSegment
}

interface Waiting {
  readonly message: VerifiedMessage
  readonly resolve: (outcomes: readonly Outcome[]) => void
  readonly reject: (error: unknown) => void
}

/** Bounds what one failed sync takes down with it, and how long a transaction holds the catalog. */
const groupMessages = 64

/**
 * Makes messages durable in groups: one sync of the shared segment and one catalog transaction for all
 * that finished while the last group was under way. The order is what invariants 2 and 3 rest on:
 * bytes, sync, catalog, answer.
 */
export class GroupCommit {
  readonly #segments: SegmentStore
  readonly #catalog: Catalog
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  constructor(segments: SegmentStore, catalog: Catalog) {
    this.#segments = segments
    this.#catalog = catalog
  }

  /**
   * Resolves with the outcomes once they may be told to the device.
   *
   * @throws NotDurableError when the disk failed; the message may be sent again.
   */
  commit(message: VerifiedMessage): Promise<readonly Outcome[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing is under way any more. */
  async drain(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    // Lets messages that finish in the same turn of the event loop join the first group.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      await this.#commitGroup(this.#waiting.splice(0, groupMessages))
    }
    this.#running = undefined
  }

  async #commitGroup(group: readonly Waiting[]): Promise<void> {
    const durable = (await Promise.all([this.#syncShared(group), ...this.#syncOwn(group)])).flat()
    if (durable.length === 0) return
    let isNew: boolean[][]
    try {
      isNew = await this.#catalog.enter(durable.map(({ entry }) => entry))
    } catch (error) {
      for (const { waiting } of durable) waiting.reject(notDurable(error))
      return
    }
    durable.forEach(({ waiting }, index) => {
      waiting.resolve(withKnownFiles(waiting.message.outcomes, isNew[index]!))
    })
  }

  async #syncShared(group: readonly Waiting[]): Promise<Durable[]> {
    const shared = group.filter(({ message }) => isRecord(message.record))
    if (shared.length === 0) return []
    try {
      const placements = await this.#segments.appendDurably(
        shared.map(({ message }) => message.record as readonly Buffer[]),
      )
      return shared.map((waiting, index) => {
        const { segmentId, offset } = placements[index]!
        return { waiting, entry: entryFor(waiting.message, segmentId, offset) }
      })
    } catch (error) {
      for (const { reject } of shared) reject(notDurable(error))
      return []
    }
  }

  #syncOwn(group: readonly Waiting[]): Promise<Durable[]>[] {
    const own = group.filter(({ message }) => !isRecord(message.record))
    return own.map(async (waiting) => {
      const segment = waiting.message.record as OwnSegment
      try {
        await segment.finish()
      } catch (error) {
        waiting.reject(notDurable(error))
        return []
      }
      const { segmentId } = segment
      return [{ waiting, entry: entryFor(waiting.message, segmentId, ownRecordOffset) }]
    })
  }
}

/** After the segment's magic. */
export const ownRecordOffset = 8

interface Durable {
  readonly waiting: Waiting
  readonly entry: MessageEntry
}

function isRecord(record: readonly Buffer[] | OwnSegment): record is readonly Buffer[] {
  return Array.isArray(record)
}

function entryFor(message: VerifiedMessage, segmentId: number, offset: number): MessageEntry {
  return {
    machine: message.machine,
    uploadId: message.uploadId,
    segmentId,
    recordOffset: offset,
    recordEnd: offset + message.recordBytes,
    receivedAtMs: message.receivedAtMs,
    files: message.files.map((entry) => ({ ...entry, offset: offset + entry.offset })),
  }
}

/** The catalog has the last word: of two uploads of one file, one is `already_stored`. */
function withKnownFiles(
  outcomes: readonly Outcome[],
  isNew: readonly boolean[],
): readonly Outcome[] {
  let taken = 0
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') return outcome
    return isNew[taken++] === true ? outcome : { ...outcome, status: 'already_stored' as const }
  })
}

function notDurable(cause: unknown): NotDurableError {
  return new NotDurableError('the message could not be made durable', { cause })
}
