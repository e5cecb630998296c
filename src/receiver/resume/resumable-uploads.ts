import type { Clock } from '../../base/clock.ts'
import type { Digest } from '../../base/hash.ts'
import type { Log } from '../../telemetry/log.ts'
import { MemoryBudget } from '../ingest/memory-budget.ts'
import { verifierFor } from '../ingest/verifier.ts'
import type { OwnSegment, SegmentStore, UnfinishedSegment } from '../store/segment-store.ts'
import { asKnown, type Created, type Creation } from './creation.ts'
import type { FinishedUploads } from './finished-uploads.ts'
import { Follower } from './follower.ts'
import type { LargeMessages, MessageFacts } from './large-messages.ts'
import { reportResumed } from './report-resumed.ts'
import {
  type Append,
  type Complete,
  type Reached,
  type Receipt,
  ResumableUpload,
  type Room,
} from './resumable-upload.ts'
import { assignUploadId, expectedManifestDigest } from './upload-id.ts'
import { DirectVerification, type Verification } from './verification.ts'

export interface ResumableUploadsOptions {
  readonly segments: SegmentStore
  readonly messages: LargeMessages
  readonly finished: FinishedUploads
  readonly clock: Clock
  readonly log: Log
  /** For large uploads that are under way at once. */
  readonly memoryBytes: number
  /** An upload that nobody goes on with for so long is given up. */
  readonly maxAgeMs: number
  /** Verifies what an earlier process began. @default on a thread of its own */
  readonly follower?: Pick<Follower, 'follow' | 'close'>
}

/** What a large upload may hold: two batches of its body, and its manifest. Bounds open files as well. */
const largeUploadBytes = 1024 * 1024
/** Unfinished ones. The one that was left alone longest goes first. */
const maxPerMachine = 256
/** Unfinished ones that can go on without being read again; each may hold a manifest. */
const maxAtHand = 32
const sweepEveryMs = 10 * 60_000
/** What an earlier receiver left stays for so long at least, whatever the wall clock says. */
const leftOverMs = 60 * 60_000

/** All large uploads that are under way or may go on. */
export class ResumableUploads {
  readonly #options: ResumableUploadsOptions
  readonly #memory: MemoryBudget
  readonly #follower: Pick<Follower, 'follow' | 'close'>
  /** By machine and id; in the order in which they were last used. */
  readonly #uploads = new Map<string, Entry>()
  readonly #creating = new Map<string, Promise<void>>()
  readonly #closing = new AbortController()

  constructor(options: ResumableUploadsOptions) {
    this.#options = options
    this.#follower = options.follower ?? new Follower()
    this.#memory = new MemoryBudget(Math.max(options.memoryBytes, largeUploadBytes))
  }

  /** Finds what an earlier receiver left, and begins to look for what has expired. */
  async open(): Promise<void> {
    const { segments, messages, clock } = this.#options
    // The newest first: of one that was given up and begun again, the old one may have come back.
    for (const left of segments.unfinished.toReversed()) {
      const segment = await segments.reopenOwnSegment(left)
      const begun = await messages.readBeginning(segment)
      const key = begun === undefined ? undefined : keyOf(begun.facts.machine, begun.facts.uploadId)
      if (begun === undefined || key === undefined || this.#uploads.has(key)) {
        await segment.discard()
        continue
      }
      await segment.release()
      const touchedAtMs = clock.monotonicMs() - this.#ageOf(left)
      this.#add(begun.facts, segment, begun.messageStart, touchedAtMs)
    }
    const uploads = this.#uploads.size
    if (uploads > 0) {
      this.#options.log.info('uploads_unfinished', 'uploads that broke off can go on', { uploads })
    }
    void this.#sweepAgainAndAgain()
  }

  /**
   * Takes the first bytes of an upload.
   *
   * @throws WireError, NotDurableError: see {@link ResumableUpload.append}
   */
  async create(creation: Creation): Promise<Created> {
    // Before its turn comes it may break off.
    creation.body.on('error', ignoreBreak)
    const uploadId = creation.uploadId ?? assignUploadId()
    const key = keyOf(creation.machine, uploadId)
    for (;;) {
      // Of several requests that create it at once, one does.
      await this.#creating.get(key)
      const known = this.#use(key)
      if (known === undefined && !this.#creating.has(key)) break
      const reached = await known?.upload.reached()
      this.#limitAtHand()
      // The one before was given up while we waited for it.
      if (known === undefined || reached === undefined || reached.kind === 'gone') continue
      const { contentDisposition } = known
      return asKnown(creation, { ...reached, contentDisposition }, uploadId)
    }
    const begun = Promise.withResolvers<void>()
    this.#creating.set(key, begun.promise)
    const endCreating = () => {
      if (this.#creating.get(key) === begun.promise) this.#creating.delete(key)
      begun.resolve()
    }
    const room = this.#roomOf(creation.machine)
    let hasRoom = false
    let entry: Entry | undefined
    try {
      const finished = await this.#options.finished.find(key, creation.machine, uploadId)
      if (finished !== undefined) return asKnown(creation, finished, uploadId)
      if (creation.onlyIfKnown === true) return { kind: 'unknown' }
      // Before it costs a file: what waits for room holds none.
      hasRoom = await room.enter(creation.body)
      if (!hasRoom) return { kind: 'broken', uploadId }
      entry = await this.#begin(creation, uploadId)
      endCreating()
      if (entry === undefined) return { kind: 'too_many' }
      creation.onCreated?.(uploadId)
      const receipt = await entry.upload.append({ ...creation, offset: 0, creates: true })
      this.#limitAtHand()
      return { ...receipt, uploadId }
    } finally {
      endCreating()
      if (entry !== undefined) entry.state = 'staying'
      if (hasRoom) room.leave()
    }
  }

  /** How far an upload is, or what became of it. Ends an older request. Undefined: there is none. */
  async look(machine: string, uploadId: Digest): Promise<Reached | Complete | undefined> {
    const key = keyOf(machine, uploadId)
    await this.#creating.get(key)
    const reached = await this.#use(key)?.upload.reached()
    this.#limitAtHand()
    if (reached !== undefined && reached.kind !== 'gone') return reached
    return this.#options.finished.find(key, machine, uploadId)
  }

  /** Takes further bytes. Undefined: there is no such upload. @throws as {@link create} */
  async append(machine: string, uploadId: Digest, request: Append): Promise<Receipt | undefined> {
    const key = keyOf(machine, uploadId)
    await this.#creating.get(key)
    const receipt = await this.#use(key)?.upload.append(request)
    this.#limitAtHand()
    if (receipt !== undefined && receipt.kind !== 'gone') return receipt
    return this.#options.finished.find(key, machine, uploadId)
  }

  /** Gives an upload up. */
  async cancel(machine: string, uploadId: Digest): Promise<'cancelled' | 'finished' | 'unknown'> {
    const key = keyOf(machine, uploadId)
    await this.#creating.get(key)
    const entry = this.#uploads.get(key)
    if (entry !== undefined) return (await entry.upload.cancel()) ? 'cancelled' : 'finished'
    const finished = await this.#options.finished.find(key, machine, uploadId)
    return finished === undefined ? 'unknown' : 'finished'
  }

  /** Ends the hashing of what had arrived before: it may take long, and goes on another time. */
  stopFollowing(): Promise<void> {
    return this.#follower.close()
  }

  /** Has what is under way end, and everything that can go on on stable storage. */
  async close(): Promise<void> {
    this.#closing.abort()
    const settled = [...this.#uploads.values()].map(({ upload }) => upload.settle())
    const results = await Promise.allSettled(settled)
    await this.#follower.close()
    const failed = results.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }

  #roomOf(machine: string): Room {
    return {
      enter: (body) => this.#memory.take(machine, largeUploadBytes, body),
      leave: () => this.#memory.giveBack(machine, largeUploadBytes),
    }
  }

  /** Undefined: the machine has too many. */
  async #begin(creation: Creation, uploadId: Digest): Promise<Entry | undefined> {
    const { machine, contentType, contentDisposition, messageBytes } = creation
    // Refused before it costs a file.
    verifierFor({ contentType, contentDisposition, uploadId: expectedManifestDigest(uploadId) })
    const { clock, messages } = this.#options
    const receivedAtMs = clock.wallMs()
    const facts = { machine, uploadId, receivedAtMs, contentType, contentDisposition, messageBytes }
    const { segment, messageStart } = await messages.begin(facts)
    // From here until it is added nothing is waited for: others that begin now count it.
    const ofMachine = this.#stayingOf(machine)
    const isOneTooMany = ofMachine.length >= maxPerMachine
    const inItsPlace = isOneTooMany ? ofMachine.find(isLeftAlone) : undefined
    if (isOneTooMany && inItsPlace === undefined) {
      await segment.discard().catch(messages.onLeftOver)
      return undefined
    }
    const entry = this.#add(facts, segment, messageStart, clock.monotonicMs())
    entry.state = 'beginning'
    if (inItsPlace !== undefined) {
      inItsPlace.state = 'leaving'
      await inItsPlace.upload.cancel()
    }
    return entry
  }

  #add(facts: MessageFacts, segment: OwnSegment, messageStart: number, touchedAtMs: number): Entry {
    const { machine, uploadId, messageBytes, contentDisposition } = facts
    const { messages, finished, clock, log } = this.#options
    const key = keyOf(machine, uploadId)
    const isNew = segment.sizeBytes === messageStart
    const upload: ResumableUpload = new ResumableUpload(
      {
        segment,
        messageStart,
        messageBytes,
        clock,
        verify: this.#verificationOf(facts, messageStart, isNew),
        room: this.#roomOf(machine),
        store: (verdict, sizeBytes) =>
          messages.store({ ...facts, messageBytes: sizeBytes }, segment, verdict),
        onOver: (complete) => {
          this.#uploads.delete(key)
          if (complete === undefined) return
          finished.add(key, { ...complete, contentDisposition })
          reportResumed(log, facts, upload, complete)
        },
        onLeftOver: messages.onLeftOver,
      },
      touchedAtMs,
    )
    const isKept = segment.path !== undefined
    const entry: Entry = { machine, upload, contentDisposition, isKept, state: 'staying' }
    this.#uploads.set(key, entry)
    return entry
  }

  /** An upload that begins here is hashed as it arrives, any other from its file. */
  #verificationOf(facts: MessageFacts, messageStart: number, isNew: boolean) {
    const { contentType, contentDisposition } = facts
    const uploadId = expectedManifestDigest(facts.uploadId)
    const head = { contentType, contentDisposition, uploadId }
    let isFirst = isNew
    return (segment: OwnSegment): Verification => {
      const { path, sizeBytes } = segment
      if (isFirst || path === undefined) {
        isFirst = false
        return new DirectVerification(verifierFor(head))
      }
      return this.#follower.follow(path, head, messageStart, sizeBytes)
    }
  }

  /** Notes that it was used last. */
  #use(key: string): Entry | undefined {
    const entry = this.#uploads.get(key)
    if (entry === undefined) return undefined
    this.#uploads.delete(key)
    this.#uploads.set(key, entry)
    return entry
  }

  /** In the order in which they were last used. */
  #stayingOf(machine: string): readonly Entry[] {
    const entries = [...this.#uploads.values()]
    return entries.filter((entry) => entry.machine === machine && entry.state !== 'leaving')
  }

  #limitAtHand(): void {
    const held = [...this.#uploads.values()].filter(
      ({ upload }) => upload.holdsVerification && !upload.isActive,
    )
    for (const { upload, isKept } of held.slice(0, Math.max(0, held.length - maxAtHand))) {
      if (isKept) upload.forgetVerification()
      // What was thrown away cannot be read again.
      else void upload.cancel()
    }
  }

  /**
   * How long an upload that an earlier receiver left has been left alone. Only the wall clock can say,
   * and at the start of a computer it may be years off: whoever is there to go on has an hour for it.
   */
  #ageOf({ writtenAtMs }: UnfinishedSegment): number {
    const { clock, maxAgeMs } = this.#options
    const ageMs = clock.wallMs() - writtenAtMs
    return Math.max(0, Math.min(ageMs, maxAgeMs - leftOverMs))
  }

  async #sweepAgainAndAgain(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await this.#options.clock.sleep(sweepEveryMs, signal)
      if (!signal.aborted) await this.#sweep()
    }
  }

  async #sweep(): Promise<void> {
    const { clock, maxAgeMs, log } = this.#options
    const nowMs = clock.monotonicMs()
    for (const { upload, machine } of [...this.#uploads.values()]) {
      if (upload.isActive || nowMs - upload.touchedAtMs < maxAgeMs) continue
      await upload.cancel()
      log.info('upload_expired', 'gave up an upload that nobody went on with', { machine })
    }
  }
}

interface Entry {
  readonly machine: string
  readonly upload: ResumableUpload
  readonly contentDisposition: string
  /** False where bytes are thrown away: it can only go on from memory. */
  readonly isKept: boolean
  /** Beginning: its first request goes on yet. Leaving: it is given up, and another one has its place. */
  state: 'beginning' | 'staying' | 'leaving'
}

function isLeftAlone({ state, upload }: Entry): boolean {
  return state === 'staying' && !upload.isActive
}

/** What an error means for the message shows in the bytes that are missing. */
function ignoreBreak(): void {}

function keyOf(machine: string, uploadId: Digest): string {
  return `${uploadId} ${machine}`
}
