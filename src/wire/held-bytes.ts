const noBytes = Buffer.alloc(0)

/**
 * What a reader could not use of one piece and needs in front of the next: the start of a grown buffer
 * of which `#heldBytes` are used.
 */
export class HeldBytes {
  #held: Buffer = noBytes
  #heldBytes = 0

  /** All that is to be read now. It is valid until the next call. */
  join(piece: Buffer): Buffer {
    if (this.#heldBytes === 0) return piece
    const size = this.#heldBytes + piece.length
    if (size > this.#held.length) {
      const grown = Buffer.allocUnsafeSlow(size * 2)
      this.#held.copy(grown, 0, 0, this.#heldBytes)
      this.#held = grown
    }
    piece.copy(this.#held, this.#heldBytes)
    this.#heldBytes = size
    return this.#held.subarray(0, size)
  }

  /** Keeps what stands from `from` on in the bytes that {@link join} gave last. */
  keep(bytes: Buffer, from: number): void {
    const size = bytes.length - from
    if (size === 0) {
      // Not kept for the file that follows: a manifest may have made it 2 MiB long.
      this.#held = noBytes
      this.#heldBytes = 0
      return
    }
    if (bytes.buffer === this.#held.buffer && from === 0) return
    if (size > this.#held.length) this.#held = Buffer.allocUnsafeSlow(Math.max(256, size * 2))
    bytes.copy(this.#held, 0, from)
    this.#heldBytes = size
  }
}
