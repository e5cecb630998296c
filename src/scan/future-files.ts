import type { BytePath } from '../base/byte-path.ts'

interface Seen {
  readonly mtimeNs: bigint
  readonly sizeBytes: number
  readonly sinceMs: number
}

/** Beyond this many the oldest are forgotten, and their quiet time starts afresh. */
const maxRemembered = 10_000

/** Remembers since when files whose mtime lies in the future have not changed. */
export class FutureFiles {
  readonly #seen = new Map<BytePath, Seen>()

  /** For how long the file has been as it is now, on the monotonic clock. */
  unchangedForMs(path: BytePath, mtimeNs: bigint, sizeBytes: number, nowMs: number): number {
    const seen = this.#seen.get(path)
    if (seen !== undefined && seen.mtimeNs === mtimeNs && seen.sizeBytes === sizeBytes) {
      return nowMs - seen.sinceMs
    }
    this.#seen.delete(path)
    if (this.#seen.size >= maxRemembered) {
      const [oldest] = this.#seen.keys()
      this.#seen.delete(oldest!)
    }
    this.#seen.set(path, { mtimeNs, sizeBytes, sinceMs: nowMs })
    return 0
  }

  forget(path: BytePath): void {
    this.#seen.delete(path)
  }
}
