/**
 * Random values that are the same in every run: a property that fails fails again, and the seed in the
 * message finds it. (mulberry32)
 */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** An integer from 0 to 2^32-1. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** An integer from 0 to `count` - 1. */
  below(count: number): number {
    return this.uint32() % count
  }

  chance(probability: number): boolean {
    return this.uint32() < probability * 2 ** 32
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  list<T>(maxCount: number, make: () => T): T[] {
    return Array.from({ length: this.below(maxCount + 1) }, make)
  }

  bytes(size: number): Buffer {
    return Buffer.from(Array.from({ length: size }, () => this.below(256)))
  }

  /** Of any length in bits, so that small and large ones are equally frequent; signed, 64 bits. */
  int64(): bigint {
    const bits = (BigInt(this.uint32()) << 32n) | BigInt(this.uint32())
    return BigInt.asIntN(64, bits) >> BigInt(this.below(64))
  }

  /** From 0 to `max`, small and large ones equally frequent. */
  size(max: number): number {
    const shift = this.below(54)
    return shift === 53 ? 0 : Math.floor(max / 2 ** shift)
  }

  text(maxChars: number): string {
    return this.list(maxChars, () => this.pick(characters)).join('')
  }

  /** Cuts `whole` into pieces of 1 to `maxBytes`, each a copy of its own. */
  pieces(whole: Buffer, maxBytes: number): Buffer[] {
    const pieces: Buffer[] = []
    for (let at = 0; at < whole.length; ) {
      const size = 1 + this.below(maxBytes)
      pieces.push(Buffer.from(whole.subarray(at, at + size)))
      at += size
    }
    return pieces
  }
}

const characters = [...'abcXYZ019 /\\"\'\r\n\0;=-', 'é', '中', '😀', '__proto__']
