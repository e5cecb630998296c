import type { Readable } from 'node:stream'

export interface UnreadBytesOptions {
  readonly limitBytes: number
  readonly checkMs: number
}

/**
 * Bounds what all bodies together may hold that has arrived and is not read yet, because the disk is
 * slow or there is no room. Flow control bounds it only for one stream, and counts only payload: a
 * byte that comes in a frame of its own costs some 250. Beyond the limit, those that hold most are cut
 * off; to their senders it is a break.
 */
export class UnreadBytes {
  readonly #options: UnreadBytesOptions
  readonly #bodies = new Set<Readable>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: UnreadBytesOptions) {
    this.#options = options
  }

  /** Until it closes. */
  watch(body: Readable): void {
    if (body.destroyed) return
    this.#bodies.add(body)
    body.once('close', () => this.#forget(body))
    this.#timer ??= setInterval(() => this.#check(), this.#options.checkMs).unref()
  }

  #forget(body: Readable): void {
    this.#bodies.delete(body)
    if (this.#bodies.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #check(): void {
    const unread = [...this.#bodies].map((body) => ({ body, bytes: unreadCost(body) }))
    let sum = 0
    for (const { bytes } of unread) sum += bytes
    if (sum <= this.#options.limitBytes) return
    unread.sort((a, b) => b.bytes - a.bytes)
    for (const { body, bytes } of unread) {
      if (sum <= this.#options.limitBytes) return
      sum -= bytes
      body.destroy(new Error('too much of it waits to be read'))
    }
  }
}

const pieceOverheadBytes = 250

/** What the unread part of a body takes in memory. */
function unreadCost(body: Readable): number {
  // Not in the documentation, but what `readableLength` is computed from.
  const { readableBuffer } = body as { readonly readableBuffer?: readonly unknown[] }
  return body.readableLength + (readableBuffer?.length ?? 0) * pieceOverheadBytes
}
