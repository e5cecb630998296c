import { createCipheriv } from 'node:crypto'

/** Numbers that look random and are the same ones for the same seed (mulberry32). */
export class SeededRandom {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** At least 0, below 1. */
  fraction(): number {
    return this.#word() / 2 ** 32
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from + 1))
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.between(0, choices.length - 1)]!
  }

  /** Bytes that no compression makes smaller, and of which no two runs are alike. */
  bytes(sizeBytes: number): Buffer {
    const key = Buffer.alloc(16)
    for (let at = 0; at < key.length; at += 4) key.writeUInt32LE(this.#word(), at)
    return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes))
  }

  /** A generator of its own, so that what one user draws leaves the others' numbers as they were. */
  fork(): SeededRandom {
    return new SeededRandom(this.#word())
  }

  /** 32 bits. */
  #word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}
