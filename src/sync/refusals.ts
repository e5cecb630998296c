import type { BytePath } from '../base/byte-path.ts'
import type { Candidate } from '../scan/candidate.ts'

type RefusedFile = Pick<Candidate, 'path' | 'mtimeNs' | 'sizeBytes'>

interface Refused {
  readonly mtimeNs: bigint
  readonly sizeBytes: number
  readonly times: number
}

/** So many files may be blamed one after the other while no upload goes through. */
const maxBlamed = 8
/** Above this the file that was refused longest ago is forgotten, and so is tried more often. */
const maxRemembered = 10_000

/**
 * What receivers turned down of single files. Tells a receiver that turns down a file from one that
 * turns down everything: a proxy in between, or another version at the other end. Without this a
 * single wrong setting there would have every file here set aside, one by one.
 */
export class Refusals {
  readonly #blamed = new Set<BytePath>()
  readonly #refused = new Map<BytePath, Refused>()

  /** True when it is not the files. */
  get concernEverything(): boolean {
    return this.#blamed.size > maxBlamed
  }

  /** A message of this one file was turned down. */
  blame({ path }: RefusedFile): void {
    if (!this.concernEverything) this.#blamed.add(path)
  }

  /** It was found wanting by the receiver itself: says how often by now. A file that has changed starts afresh. */
  count({ path, mtimeNs, sizeBytes }: RefusedFile): number {
    const last = this.#refused.get(path)
    const isSame = last?.mtimeNs === mtimeNs && last.sizeBytes === sizeBytes
    const times = isSame ? last.times + 1 : 1
    this.#refused.delete(path)
    if (this.#refused.size >= maxRemembered) {
      const [longest] = this.#refused.keys()
      this.#refused.delete(longest!)
    }
    this.#refused.set(path, { mtimeNs, sizeBytes, times })
    return times
  }

  /** An upload went through. */
  clear(): void {
    this.#blamed.clear()
  }

  /** It has been set aside. */
  forget(path: BytePath): void {
    this.#refused.delete(path)
  }
}
