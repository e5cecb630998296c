import type { BytePath } from '../base/byte-path.ts'

/** So many files may be blamed one after the other while no upload goes through. */
const maxBlamed = 8

/**
 * Tells a receiver that turns down a file from one that turns down everything: a proxy in between, or
 * another version at the other end. Without this a single wrong setting there would have every file
 * here set aside, one by one.
 */
export class Refusals {
  readonly #blamed = new Set<BytePath>()

  /** True when it is not the files. */
  get concernEverything(): boolean {
    return this.#blamed.size > maxBlamed
  }

  /** A message of this one file was turned down. */
  blame(path: BytePath): void {
    if (!this.concernEverything) this.#blamed.add(path)
  }

  /** An upload went through. */
  clear(): void {
    this.#blamed.clear()
  }
}
