export interface TokenBucketsOptions {
  /** How many tokens a bucket holds, and a new one begins with. */
  readonly burst: number
  /** One token comes back in this time. */
  readonly refillMs: number
  /** Bounds the memory. Of more buckets, the one that was not used for longest is forgotten. */
  readonly maxBuckets: number
  readonly monotonicMs: () => number
}

interface Bucket {
  tokens: number
  readonly filledAtMs: number
}

/** A token bucket for each key that anybody makes up, in bounded memory. */
export class TokenBuckets {
  readonly #options: TokenBucketsOptions
  /** In order of their last use. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(options: TokenBucketsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes a token of this key's. False when there is none. */
  take(key: string): boolean {
    const { maxBuckets } = this.#options
    const { tokens, filledAtMs } = this.#refilled(key)
    this.#buckets.delete(key)
    this.#buckets.set(key, { tokens: Math.max(0, tokens - 1), filledAtMs })
    if (this.#buckets.size > maxBuckets) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest)
        break
      }
    }
    return tokens > 0
  }

  #refilled(key: string): Bucket {
    const { burst, refillMs, monotonicMs } = this.#options
    const nowMs = monotonicMs()
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return { tokens: burst, filledAtMs: nowMs }
    const back = Math.floor((nowMs - bucket.filledAtMs) / refillMs)
    if (bucket.tokens + back >= burst) return { tokens: burst, filledAtMs: nowMs }
    return { tokens: bucket.tokens + back, filledAtMs: bucket.filledAtMs + back * refillMs }
  }
}
