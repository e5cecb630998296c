import type { Readable } from 'node:stream'
import type { Clock } from '../../base/clock.ts'
import type { Outcome } from '../../wire/outcome.ts'
import { durably } from '../ingest/durably.ts'
import { NotDurableError } from '../ingest/group-commit.ts'
import { inBatches } from '../ingest/message-body.ts'
import type { Verdict } from '../ingest/verdict.ts'
import { NotRecordedError, type OwnSegment } from '../store/segment-store.ts'
import { Checkpoints } from './checkpoints.ts'
import { FollowerEndedError } from './follower.ts'
import { Turns } from './turns.ts'
import type { Verification } from './verification.ts'

/** Bytes that a request brings for an upload. */
export interface Append {
  /** Not yet flowing. The caller destroys it. */
  readonly body: Readable
  /** Where in the message they belong. */
  readonly offset: number
  /** How many the request declares. */
  readonly sizeBytes: number
  /** True when the message is complete with them. */
  readonly isLast: boolean
  /** Told of bytes that take room on the disk from now on. */
  readonly onWritten: (sizeBytes: number) => void
  /** True when the upload begins with them. The caller has entered the room already, and leaves it. */
  readonly creates?: boolean
}

/** What became of them. */
export type Receipt =
  /** The request broke off, or a newer one took its place. What arrived stays. */
  | { readonly kind: 'broken' }
  | { readonly kind: 'appended'; readonly offset: number }
  | Complete
  | { readonly kind: 'wrong_offset'; readonly offset: number }
  | { readonly kind: 'wrong_length'; readonly messageBytes: number }
  /** It was given up before this request had its turn. */
  | { readonly kind: 'gone' }

/** The whole message has arrived, and this is the word on its files. */
export interface Complete {
  readonly kind: 'complete'
  readonly outcomes: readonly Outcome[]
  readonly messageBytes: number
}

/** How far an upload is. */
export interface Reached {
  readonly kind: 'unfinished'
  readonly offset: number
  /** Of the whole message, once it is known. */
  readonly messageBytes: number | undefined
}

export interface ResumableUploadOptions {
  readonly segment: OwnSegment
  /** Where in the segment the message begins. */
  readonly messageStart: number
  readonly messageBytes: number | undefined
  readonly verify: (segment: OwnSegment) => Verification
  readonly room: Room
  /** Makes a complete message durable: its outcomes, and whether anything refers to the segment now. */
  readonly store: (verdict: Verdict, messageBytes: number) => Promise<Stored>
  /** It has come to its end, one way or the other. */
  readonly onOver: (complete: Complete | undefined) => void
  readonly onLeftOver: (error: unknown) => void
  readonly clock: Clock
}

/** Of the memory that large uploads share. */
export interface Room {
  /** Resolves with false when the body has gone before there was room for it. */
  enter(body: Readable): Promise<boolean>
  leave(): void
}

export interface Stored {
  readonly outcomes: readonly Outcome[]
  readonly isReferredTo: boolean
}

/**
 * One large upload, over as many requests as it takes. Requests take turns, and a newer one ends the
 * one before it, which may be dead without anybody here knowing (draft-ietf-httpbis-resumable-upload,
 * "Concurrency"). Only an upload whose whole body has arrived is never ended.
 */
export class ResumableUpload {
  readonly #options: ResumableUploadOptions
  readonly #turns = new Turns()
  readonly #checkpoints: Checkpoints
  #messageBytes: number | undefined
  #verification: Verification | undefined
  #newest = 0
  #transfer: Transfer | undefined
  /** All bytes are there: what fails from now on fails for all of it. */
  #isComplete = false
  #over: Complete | 'gone' | undefined
  /** Bytes that arrived in all, and in how many requests: what breaks cost shows in them. */
  #arrivedBytes = 0
  #requests = 0
  #hasBrokenOff: boolean
  /** When the last request ended, on the monotonic clock: somebody may set the other one. */
  touchedAtMs: number

  constructor(options: ResumableUploadOptions, touchedAtMs: number) {
    this.#options = options
    this.#messageBytes = options.messageBytes
    this.#checkpoints = new Checkpoints(options.segment, options.clock)
    this.touchedAtMs = touchedAtMs
    // What an earlier process left had broken off in it.
    this.#hasBrokenOff = options.segment.sizeBytes > options.messageStart
  }

  /** True while a request brings bytes. */
  get isActive(): boolean {
    return this.#transfer !== undefined
  }

  get arrivedBytes(): number {
    return this.#arrivedBytes
  }

  get requests(): number {
    return this.#requests
  }

  /** True when a request has broken off, in this process or an earlier one. */
  get hasBrokenOff(): boolean {
    return this.#hasBrokenOff
  }

  /** True while it holds what it takes to go on without reading again. */
  get holdsVerification(): boolean {
    return this.#verification !== undefined
  }

  /** How far it is; ends an older request. All of it survives a power cut then. */
  reached(): Promise<Reached | Complete | { readonly kind: 'gone' }> {
    this.#endOlder()
    return this.#turns.take(async () => {
      if (this.#over !== undefined) return overAs(this.#over)
      await this.#settleOrGiveUp()
      // Whoever asks goes on soon: what has to be read again is read meanwhile.
      this.#verification ??= this.#options.verify(this.#options.segment)
      return { kind: 'unfinished', offset: this.#offset, messageBytes: this.#messageBytes }
    })
  }

  /**
   * @throws WireError when the message is not one of this protocol; the upload is given up then
   * @throws NotDurableError when the disk failed
   */
  append(request: Append): Promise<Receipt> {
    // Before its turn comes it may break off.
    request.body.on('error', ignoreBreak)
    const turn = this.#endOlder()
    return this.#turns.take(async (): Promise<Receipt> => {
      if (this.#over !== undefined) return overAs(this.#over)
      // What has arrived of it is taken all the same.
      if (turn !== this.#newest) request.body.destroy(newerRequest())
      const refusal = this.#whyNot(request)
      if (refusal !== undefined) return refusal
      return this.#receive(request)
    })
  }

  /** Ends an older request and drops everything; false when it is complete all the same. */
  cancel(): Promise<boolean> {
    this.#endOlder()
    return this.#turns.take(async () => {
      if (this.#over === undefined) await this.#giveUp()
      return this.#over === 'gone'
    })
  }

  /** Gives that back; not while a request brings bytes. */
  forgetVerification(): void {
    if (this.#transfer !== undefined) return
    this.#verification?.end()
    this.#verification = undefined
  }

  /** Ends what is under way, and has everything on stable storage and closed. */
  async settle(): Promise<void> {
    this.#endOlder()
    await this.#turns.take(async () => {
      if (this.#over !== undefined) return
      await this.#settleOrGiveUp()
      await this.#options.segment.release()
      this.#verification?.end()
      this.#verification = undefined
    })
  }

  get #offset(): number {
    return this.#options.segment.sizeBytes - this.#options.messageStart
  }

  #endOlder(): number {
    const { body, isWhole } = this.#transfer ?? {}
    if (body !== undefined && isWhole?.() === false) {
      body.destroy(newerRequest())
    }
    this.#newest += 1
    return this.#newest
  }

  #whyNot({ offset, sizeBytes, isLast }: Append): Receipt | undefined {
    if (offset !== this.#offset) return { kind: 'wrong_offset', offset: this.#offset }
    const known = this.#messageBytes
    const end = offset + sizeBytes
    if (known !== undefined && (isLast ? end !== known : end > known)) {
      return { kind: 'wrong_length', messageBytes: known }
    }
    if (isLast) this.#messageBytes = end
    return undefined
  }

  async #receive(request: Append): Promise<Receipt> {
    const { room } = this.#options
    const { body, creates } = request
    this.#transfer = { body, isWhole: () => false }
    this.#requests += 1
    // A body that has gone by then is read as far as it came: that is not much.
    const entered = creates !== true && (await room.enter(body))
    try {
      return await this.#receiveBody(request)
    } finally {
      if (entered) room.leave()
      this.#transfer = undefined
      this.touchedAtMs = this.#options.clock.monotonicMs()
    }
  }

  async #receiveBody(request: Append): Promise<Receipt> {
    const { body, sizeBytes, isLast, onWritten } = request
    const { segment, verify } = this.#options
    this.#verification ??= verify(segment)
    const endAt = this.#offset + sizeBytes
    let takenBytes = 0
    // What waits in the stream to be read has arrived as well.
    const isWhole = () => takenBytes + body.readableLength >= sizeBytes
    this.#transfer = { body, isWhole }
    try {
      for await (const batch of inBatches(body, sizeBytes)) {
        takenBytes += batch.length
        this.#arrivedBytes += batch.length
        await durably(segment.write([batch]))
        onWritten(batch.length)
        this.#verification.push(batch)
        durablyNow(() => this.#checkpoints.wrote())
      }
      if (this.#offset !== endAt) return await this.#brokeOff(request)
      if (isLast) return await this.#complete(this.#verification, endAt)
      return { kind: 'appended', offset: await this.#rest() }
    } catch (error) {
      const isNotWritten = error instanceof NotDurableError && !this.#isComplete
      // The disk is full, say, or nobody is left to hash: what was written before is there, and stays.
      if (isNotWritten || error instanceof FollowerEndedError) await this.#restUnverified()
      else await this.#giveUp(error)
      throw error
    }
  }

  async #complete(verification: Verification, messageBytes: number): Promise<Receipt> {
    this.#isComplete = true
    await durably(this.#checkpoints.quiet())
    const verdict = await verification.finish()
    const { outcomes, isReferredTo } = await this.#options.store(verdict, messageBytes)
    const complete = { kind: 'complete', outcomes, messageBytes } as const
    if (isReferredTo) this.#end(complete)
    else await this.#giveUp(undefined, complete)
    return complete
  }

  async #brokeOff({ creates }: Append): Promise<Receipt> {
    this.#hasBrokenOff = true
    // Nothing is left of a request that was to begin it and brought nothing.
    if (creates === true && this.#offset === 0) await this.#giveUp()
    else await this.#rest()
    return { kind: 'broken' }
  }

  /** The next request has the bytes read again if they have to be. */
  async #restUnverified(): Promise<void> {
    if (this.#isComplete) {
      this.#isComplete = false
      this.#verification = undefined
    }
    await this.#rest()
  }

  /** Between two requests: everything on stable storage, no file open. */
  async #rest(): Promise<number> {
    await this.#settleOrGiveUp()
    await this.#options.segment.release()
    return this.#offset
  }

  async #settleOrGiveUp(): Promise<void> {
    try {
      await durably(this.#checkpoints.settle())
    } catch (error) {
      // After a failed sync nobody knows which bytes are on the disk. A full disk is another matter.
      const isFull = (error as Error).cause instanceof NotRecordedError
      if (!isFull) await this.#giveUp(error)
      else await this.#options.segment.release()
      throw error
    }
  }

  async #giveUp(error?: unknown, complete?: Complete): Promise<void> {
    if (this.#over !== undefined) return
    this.#verification?.end()
    const { segment, onLeftOver } = this.#options
    this.#end(complete)
    if (error instanceof NotDurableError && error.mayBeEntered) return onLeftOver(error)
    await this.#checkpoints.quiet().catch(ignoreSecondFailure)
    await segment.discard().catch(onLeftOver)
  }

  #end(complete: Complete | undefined): void {
    this.#over = complete ?? 'gone'
    this.#verification = undefined
    this.#options.onOver(complete)
  }
}

interface Transfer {
  readonly body: Readable
  /** True when all that the request declares has arrived. */
  readonly isWhole: () => boolean
}

function newerRequest(): Error {
  return new Error('a newer request goes on with this upload')
}

function overAs(over: Complete | 'gone'): Complete | { readonly kind: 'gone' } {
  return over === 'gone' ? { kind: 'gone' } : over
}

function durablyNow(work: () => void): void {
  try {
    work()
  } catch (cause) {
    throw new NotDurableError('a segment failed', { cause, mayBeEntered: false })
  }
}

/** What an error means for the message shows in the bytes that are missing. */
function ignoreBreak(): void {}

/** It is given up for the first one. */
function ignoreSecondFailure(): void {}
