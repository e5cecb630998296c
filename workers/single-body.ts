import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { errnoOf } from '../src/base/errors.ts'
import { type Digest, StreamHasher } from '../src/base/hash.ts'
import { type MessageLayout, packDigests } from '../src/wire/multipart-layout.ts'

const pieceBytes = 256 * 1024
/**
 * One piece is on its way out, one waits in the stream, one is being filled; the fourth keeps them
 * apart. With fewer, bytes are overwritten before the connection has taken them.
 */
const ringPieces = 4

export interface SingleBodyOptions {
  readonly file: FileHandle
  readonly sizeBytes: number
  readonly layout: MessageLayout
  /** Asked after the last byte was read: may this be sent as the file's content? */
  readonly isUnchanged: () => Promise<boolean>
  readonly onSent: (sizeBytes: number) => void
}

/** Why a body ended before its declared length. */
export type EndedEarly = 'changed' | 'stopped' | { readonly errno: string }

/**
 * The message of one large file, read from the disk as it is sent and hashed on its way. It never
 * fails: whatever goes wrong ends it early, which the declared length tells the receiver.
 */
export class SingleBody extends Readable {
  readonly #options: SingleBodyOptions
  readonly #hasher = new StreamHasher()
  readonly #ring = Array.from({ length: ringPieces }, () => Buffer.allocUnsafeSlow(pieceBytes))
  #nextInRing = 0
  #offset = 0
  #headSent = false
  #stopped = false
  #endedEarly: EndedEarly | undefined
  #digest: Digest | undefined

  constructor(options: SingleBodyOptions) {
    super({ highWaterMark: pieceBytes })
    this.#options = options
  }

  /** The hash of all of the file, once it has been sent to its end. */
  get digest(): Digest | undefined {
    return this.#digest
  }

  get endedEarly(): EndedEarly | undefined {
    return this.#endedEarly
  }

  /** Ends the body at the next piece. */
  stop(): void {
    this.#stopped = true
  }

  override _read(): void {
    this.#next().then(
      (piece) => {
        if (piece !== null) this.#options.onSent(piece.length)
        this.push(piece)
      },
      (error: unknown) => {
        this.#endedEarly = { errno: errnoOf(error) ?? 'EIO' }
        this.push(null)
      },
    )
  }

  async #next(): Promise<Buffer | null> {
    const { layout, sizeBytes } = this.#options
    if (!this.#headSent) {
      this.#headSent = true
      return Buffer.concat([layout.head, layout.beforeFile])
    }
    if (this.#digest !== undefined) return null
    if (this.#stopped) return this.#endEarly('stopped')
    if (this.#offset < sizeBytes) return this.#nextPiece(sizeBytes)
    if (!(await this.#options.isUnchanged())) return this.#endEarly('changed')
    this.#digest = this.#hasher.digest()
    return Buffer.concat([layout.beforeDigests, packDigests([this.#digest]), layout.tail])
  }

  async #nextPiece(sizeBytes: number): Promise<Buffer | null> {
    const buffer = this.#ring[this.#nextInRing]!
    this.#nextInRing = (this.#nextInRing + 1) % ringPieces
    const wanted = Math.min(pieceBytes, sizeBytes - this.#offset)
    let filled = 0
    while (filled < wanted) {
      const { bytesRead } = await this.#options.file.read(
        buffer,
        filled,
        wanted - filled,
        this.#offset + filled,
      )
      if (bytesRead === 0) return this.#endEarly('changed')
      filled += bytesRead
    }
    this.#offset += wanted
    const piece = buffer.subarray(0, wanted)
    this.#hasher.update(piece)
    return piece
  }

  #endEarly(why: EndedEarly): null {
    this.#endedEarly = why
    return null
  }
}
