import type { Socket } from 'node:net'
import { resetSocket } from './reset-socket.ts'
import type { SeededRandom } from './seeded-random.ts'

/** One direction of a link, which all its connections share. It may change while they run. */
export interface Wire {
  delayMs: number
  jitterMs: number
  /** 0: nothing moves, and nothing is lost. */
  bytesPerSecond: number
  /** What comes is taken and gone. */
  swallows: boolean
  /** On the monotonic clock: when all that was let in until now has been carried. */
  freeAtMs: number
  passedBytes: number
  /** Taken by this wire while it swallowed, or from connections that have become deaf. */
  lostBytes: number
}

/** Gets each piece when it is due, with its place in the stream, and passes what is to arrive of it. */
export type HandOn = (bytes: Buffer, offset: number, pass: (bytes: Buffer) => void) => void

interface Held {
  readonly what: Buffer | 'fin' | 'rst'
  readonly dueMs: number
}

/** What one lane holds at most; enough for 100 MB/s at 160 ms. */
const maxHeldBytes = 16 * 1024 * 1024
/** With a rate, what a socket gave at once is handed on in pieces of this much time. */
const pieceMs = 20
const minPieceBytes = 256

/**
 * Carries the bytes of one connection in one direction, from one socket to the other, as late and as
 * slowly as its wire says. Reads no faster than it may hand on, and holds a bounded number of bytes.
 */
export class LinkLane {
  readonly #from: Socket
  readonly #to: Socket
  readonly #wire: Wire
  readonly #random: SeededRandom
  readonly #handOnBytes: HandOn
  readonly #held: Held[] = []
  #heldBytes = 0
  #passedBytes = 0
  #lastDueMs = 0
  #timer: NodeJS.Timeout | undefined
  #deaf = false

  /**
   * @param handOn - Decides what becomes of the pieces; without it, all are passed.
   */
  constructor(
    from: Socket,
    to: Socket,
    wire: Wire,
    random: SeededRandom,
    handOn: HandOn = (bytes, _, pass) => pass(bytes),
  ) {
    this.#from = from
    this.#to = to
    this.#wire = wire
    this.#random = random
    this.#handOnBytes = handOn
    from.on('data', (bytes) => this.#take(bytes))
    from.on('end', () => this.#hold('fin'))
    from.on('close', (failed) => {
      if (failed) this.#hold('rst')
    })
    to.on('drain', () => this.#move())
    to.on('close', () => this.deafen())
    this.#move()
  }

  /** From now on and for good, nothing is handed on: what comes is read and forgotten. */
  deafen(): void {
    this.#deaf = true
    this.#held.length = 0
    this.#heldBytes = 0
    clearTimeout(this.#timer)
    this.#from.resume()
  }

  /** The wire is another than it was: what is held comes as if it had entered now, if that is sooner. */
  wireChanged(): void {
    const latestMs = performance.now() + this.#wire.delayMs
    for (const [index, held] of this.#held.entries()) {
      if (held.dueMs > latestMs) this.#held[index] = { ...held, dueMs: latestMs }
    }
    this.#lastDueMs = Math.min(this.#lastDueMs, latestMs)
    this.#move()
  }

  #take(bytes: Buffer): void {
    if (this.#wire.swallows) this.deafen()
    if (this.#deaf) {
      this.#wire.lostBytes += bytes.length
      return
    }
    const { bytesPerSecond } = this.#wire
    const limited = bytesPerSecond > 0 && bytesPerSecond < Number.POSITIVE_INFINITY
    const pieceBytes = limited
      ? Math.max(minPieceBytes, Math.floor((bytesPerSecond * pieceMs) / 1000))
      : bytes.length
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = bytes.subarray(at, at + pieceBytes)
      if (limited) {
        const startMs = Math.max(this.#wire.freeAtMs, performance.now())
        this.#wire.freeAtMs = startMs + (piece.length / bytesPerSecond) * 1000
      }
      this.#hold(piece)
    }
  }

  #hold(what: Held['what']): void {
    if (this.#wire.swallows) this.deafen()
    if (this.#deaf) return
    const { delayMs, jitterMs, freeAtMs } = this.#wire
    const jitter = jitterMs === 0 ? 0 : jitterMs * this.#random.fraction()
    const dueMs = Math.max(
      this.#lastDueMs,
      Math.max(freeAtMs, performance.now()) + delayMs + jitter,
    )
    this.#lastDueMs = dueMs
    this.#held.push({ what, dueMs })
    this.#heldBytes += typeof what === 'string' ? 0 : what.length
    this.#move()
  }

  /** Hands on what is due, then sees to it that it is called again when something may have changed. */
  #move(): void {
    clearTimeout(this.#timer)
    if (this.#deaf) return
    const { bytesPerSecond, freeAtMs } = this.#wire
    if (bytesPerSecond === 0) {
      this.#from.pause()
      return
    }
    while (this.#held.length > 0 && !this.#to.writableNeedDrain) {
      if (this.#held[0]!.dueMs > performance.now()) break
      this.#handOn(this.#held.shift()!.what)
      if (this.#deaf) return
    }
    const nowMs = performance.now()
    const isFull = this.#heldBytes >= maxHeldBytes
    if (isFull || freeAtMs > nowMs) this.#from.pause()
    else this.#from.resume()
    const waits: number[] = freeAtMs > nowMs ? [freeAtMs] : []
    if (this.#held.length > 0 && !this.#to.writableNeedDrain) waits.push(this.#held[0]!.dueMs)
    if (waits.length === 0) return
    this.#timer = setTimeout(() => this.#move(), Math.ceil(Math.min(...waits) - nowMs))
  }

  #handOn(what: Held['what']): void {
    if (what === 'fin') this.#to.end()
    else if (what === 'rst') resetSocket(this.#to)
    else {
      this.#heldBytes -= what.length
      const offset = this.#passedBytes
      this.#passedBytes += what.length
      this.#handOnBytes(what, offset, (bytes) => {
        this.#wire.passedBytes += bytes.length
        if (bytes.length > 0) this.#to.write(bytes)
      })
    }
  }
}
