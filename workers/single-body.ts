import { Readable } from 'node:stream'
import { errnoOf } from '../src/base/errors.ts'
import { type MessageLayout, packDigests } from '../src/wire/multipart-layout.ts'
import type { HashedFile, ReadEnd } from './hashed-file.ts'

const pieceBytes = 256 * 1024
/**
 * One piece is on its way out, one waits in the stream, one is being filled; the fourth keeps them
 * apart. With fewer, bytes are overwritten before the connection has taken them.
 */
const ringPieces = 4

export interface SingleBodyOptions {
  readonly file: HashedFile
  readonly sizeBytes: number
  readonly layout: MessageLayout
  /** The byte of the message to begin with: what stands before it has arrived. */
  readonly fromByte: number
  /** While the digests wait for the hash, something moves this often. */
  readonly signOfLifeMs: number
  readonly onSent: (sizeBytes: number) => void
  /** Directly before the digests go out: from then on the receiver may have the whole message. */
  readonly onDigests: () => void
}

/**
 * The message of one large file, or the rest of it, read from the disk as it is sent. Only the digests
 * wait for the hash. It never fails: whatever goes wrong ends it early, which the declared length tells
 * the receiver.
 */
export class SingleBody extends Readable {
  readonly #options: SingleBodyOptions
  readonly #ring = Array.from({ length: ringPieces }, () => Buffer.allocUnsafeSlow(pieceBytes))
  readonly #beforeFile: Buffer
  #nextInRing = 0
  /** The next byte of the message. */
  #at: number
  #endedEarly: ReadEnd | undefined

  constructor(options: SingleBodyOptions) {
    super({ highWaterMark: pieceBytes })
    this.#options = options
    this.#beforeFile = Buffer.concat([options.layout.head, options.layout.beforeFile])
    this.#at = options.fromByte
  }

  /** Why it ended before its declared length, if it did. */
  get endedEarly(): ReadEnd | undefined {
    return this.#endedEarly
  }

  override _read(): void {
    this.#next().then(
      (piece) => {
        // Answered before its end: what was read is not sent.
        if (this.destroyed) return
        if (piece !== null) this.#options.onSent(piece.length)
        this.push(piece)
      },
      (error: unknown) => {
        this.push(this.#endEarly({ errno: errnoOf(error) ?? 'EIO' }))
      },
    )
  }

  async #next(): Promise<Buffer | null> {
    const { sizeBytes, layout } = this.#options
    if (this.#at === layout.contentLength) return null
    const fileStart = this.#beforeFile.length
    let piece: Buffer | null
    if (this.#at < fileStart) piece = this.#beforeFile.subarray(this.#at)
    else if (this.#at < fileStart + sizeBytes) piece = await this.#nextPiece(this.#at - fileStart)
    else piece = await this.#digests(this.#at - fileStart - sizeBytes)
    this.#at += piece?.length ?? 0
    return piece
  }

  async #nextPiece(at: number): Promise<Buffer | null> {
    const { file, sizeBytes } = this.#options
    const buffer = this.#ring[this.#nextInRing]!
    this.#nextInRing = (this.#nextInRing + 1) % ringPieces
    const piece = buffer.subarray(0, Math.min(pieceBytes, sizeBytes - at))
    await file.read(piece, at)
    return file.end === undefined ? piece : this.#endEarly(file.end)
  }

  async #digests(from: number): Promise<Buffer | null> {
    const { file, layout, onDigests } = this.#options
    const { beforeDigests, tail } = layout
    if (from < beforeDigests.length && !(await this.#isHashedInTime())) {
      // Minutes may pass until all before it is hashed. A silent connection would be given up.
      return beforeDigests.subarray(from, from + 1)
    }
    const whole = await file.wholeHash()
    if ('end' in whole) return this.#endEarly(whole.end)
    onDigests()
    return Buffer.concat([beforeDigests, packDigests([whole.digest]), tail]).subarray(from)
  }

  async #isHashedInTime(): Promise<boolean> {
    const late = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => late.resolve(false), this.#options.signOfLifeMs)
    const hashed = this.#options.file.wholeHash().then(() => true)
    return Promise.race([hashed, late.promise]).finally(() => clearTimeout(timer))
  }

  #endEarly(why: ReadEnd): null {
    this.#endedEarly = why
    return null
  }
}
