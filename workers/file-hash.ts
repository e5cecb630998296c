import { type Digest, StreamHasher } from '../src/base/hash.ts'

/**
 * The hash of one file: over every byte once and in order, whatever part of the file is being sent. A
 * BLAKE3 hasher can neither go back nor be copied, so this one outlives a break of the upload: what it
 * has seen is never read again for its sake.
 */
export class FileHash {
  readonly #hasher = new StreamHasher()
  #position = 0

  /** Every byte before this one is in the hash. */
  get position(): number {
    return this.#position
  }

  /** Offers bytes that were read at `at`. Takes what continues the hash, and leaves the rest. */
  take(bytes: Buffer, at: number): void {
    const known = this.#position - at
    if (known < 0 || known >= bytes.length) return
    this.#hasher.update(known === 0 ? bytes : bytes.subarray(known))
    this.#position = at + bytes.length
  }

  /** Of the bytes before `position`. */
  digest(): Digest {
    return this.#hasher.digest()
  }
}
