import type { BytePath } from '../base/byte-path.ts'

interface Seen {
  readonly mtimeNs: bigint
  readonly sizeBytes: number
  readonly sinceMs: number
  lookedAtMs: number
}

/**
 * Beyond this many, further ones are not judged until some of these are done: were the oldest
 * forgotten instead, a walk over more than this many would forget each before it is quiet.
 */
const maxRemembered = 10_000

/** Files that nobody has asked for in this time are gone, or are not in the future any more. */
const staleAfterMs = 15 * 60_000
const cleanEveryMs = 60_000

/** Remembers since when files whose mtime lies in the future have not changed. */
export class FutureFiles {
  readonly #seen = new Map<BytePath, Seen>()
  #cleanedAtMs = Number.NEGATIVE_INFINITY

  get size(): number {
    return this.#seen.size
  }

  /** For how long the file has been as it is now, on the monotonic clock. */
  unchangedForMs(path: BytePath, mtimeNs: bigint, sizeBytes: number, nowMs: number): number {
    const seen = this.#seen.get(path)
    if (seen !== undefined && seen.mtimeNs === mtimeNs && seen.sizeBytes === sizeBytes) {
      seen.lookedAtMs = nowMs
      return nowMs - seen.sinceMs
    }
    if (seen !== undefined || this.#hasRoom(nowMs)) {
      this.#seen.set(path, { mtimeNs, sizeBytes, sinceMs: nowMs, lookedAtMs: nowMs })
    }
    return 0
  }

  forget(path: BytePath): void {
    this.#seen.delete(path)
  }

  #hasRoom(nowMs: number): boolean {
    if (this.#seen.size < maxRemembered) return true
    if (nowMs - this.#cleanedAtMs < cleanEveryMs) return false
    this.#cleanedAtMs = nowMs
    for (const [path, { lookedAtMs }] of this.#seen) {
      if (nowMs - lookedAtMs > staleAfterMs) this.#seen.delete(path)
    }
    return this.#seen.size < maxRemembered
  }
}
