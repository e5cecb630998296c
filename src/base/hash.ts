import { Blake3Hasher } from '@napi-rs/blake-hash'

/** A BLAKE3 hash of 32 bytes as 64 lower-case hex digits. (Half the cost of a Buffer from the addon.) */
export type Digest = string

const shared = new Blake3Hasher()

export function blake3(bytes: Buffer): Digest {
  shared.reset()
  shared.update(bytes)
  return shared.digest('hex')
}

/** Hashes what arrives piece by piece. `digest()` may be called at any time and does not end it. */
export class StreamHasher {
  readonly #hasher = new Blake3Hasher()

  update(bytes: Buffer): void {
    this.#hasher.update(bytes)
  }

  digest(): Digest {
    return this.#hasher.digest('hex')
  }

  /** Starts afresh, with no bytes. */
  reset(): void {
    this.#hasher.reset()
  }
}
