import { Fifo } from '../../base/fifo.ts'
import type { Digest } from '../../base/hash.ts'
import type { Outcome } from '../../wire/outcome.ts'
import type { Catalog, FileEntry, MessageEntry } from '../store/catalog.ts'
import type { Placement, SegmentStore } from '../store/segment-store.ts'

/** The bytes or the index could not be made durable: nothing was acknowledged. */
export class NotDurableError extends Error {
  override readonly name = 'NotDurableError'
  /**
   * True when the catalog failed: after a crash its transaction may turn out to have happened, so the
   * bytes that it refers to must stay.
   */
  readonly mayBeEntered: boolean

  constructor(
    message: string,
    options: { readonly cause: unknown; readonly mayBeEntered: boolean },
  ) {
    super(message, { cause: options.cause })
    this.mayBeEntered = options.mayBeEntered
  }
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
  /** The record for the shared segment, or where it stands already, on stable storage. */
  readonly record: readonly Buffer[] | Placement
}

interface Waiting {
  readonly message: VerifiedMessage
  readonly resolve: (outcomes: readonly Outcome[]) => void
  readonly reject: (error: unknown) => void
}

/** Bounds what one failed sync takes down with it. */
const groupMessages = 64
/** Bounds how long a transaction holds the thread: some 100 ms. */
const groupFiles = 8192

/**
 * Makes messages durable in groups: one sync of the shared segment and one catalog transaction for all
 * that finished while the last group was under way. The order is what invariants 2 and 3 rest on:
 * bytes, sync, catalog, answer.
 */
export class GroupCommit {
  readonly #segments: SegmentStore
  readonly #catalog: Catalog
  readonly #waiting = new Fifo<Waiting>()
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
    while (this.#waiting.length > 0) await this.#commitGroup(this.#nextGroup())
    this.#running = undefined
  }

  #nextGroup(): readonly Waiting[] {
    const group: Waiting[] = []
    let files = 0
    while (group.length < groupMessages && files < groupFiles) {
      const next = this.#waiting.shift()
      if (next === undefined) break
      group.push(next)
      files += next.message.files.length
    }
    return group
  }

  async #commitGroup(group: readonly Waiting[]): Promise<void> {
    const placed = await this.#place(group)
    if (placed.length === 0) return
    try {
      const isNew = await this.#catalog.enter(placed.map(({ entry }) => entry))
      placed.forEach(({ waiting }, index) => {
        waiting.resolve(withKnownFiles(waiting.message.outcomes, isNew[index]!))
      })
    } catch (cause) {
      const error = new NotDurableError('the catalog failed', { cause, mayBeEntered: true })
      for (const { waiting } of placed) waiting.reject(error)
    }
  }

  /** The messages of the group whose bytes are on stable storage, with the others rejected. */
  async #place(group: readonly Waiting[]): Promise<readonly Placed[]> {
    const placed: Placed[] = []
    const shared: Waiting[] = []
    const records: (readonly Buffer[])[] = []
    for (const waiting of group) {
      const { record } = waiting.message
      if (isPlacement(record)) placed.push({ waiting, entry: entryAt(record, waiting.message) })
      else {
        shared.push(waiting)
        records.push(record)
      }
    }
    if (shared.length === 0) return placed
    try {
      const placements = await this.#segments.appendDurably(records)
      shared.forEach((waiting, index) => {
        placed.push({ waiting, entry: entryAt(placements[index]!, waiting.message) })
      })
    } catch (cause) {
      const error = new NotDurableError('a segment failed', { cause, mayBeEntered: false })
      for (const { reject } of shared) reject(error)
    }
    return placed
  }
}

interface Placed {
  readonly waiting: Waiting
  readonly entry: MessageEntry
}

function isPlacement(record: readonly Buffer[] | Placement): record is Placement {
  return !Array.isArray(record)
}

function entryAt({ segmentId, offset }: Placement, message: VerifiedMessage): MessageEntry {
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
