import type { Verdict, Verifier } from '../ingest/verdict.ts'

/** Follows the bytes of one upload, over however many requests they come. */
export interface Verification {
  /** More bytes, which stand at the end of the upload's file by now. @throws WireError */
  push(bytes: Buffer): void
  /** @throws WireError; anything else when the file cannot be read */
  finish(): Promise<Verdict>
  /** Frees what it holds, if it will not be finished. */
  end(): void
}

/** Hashes the bytes as they arrive: those of an upload that began in this process. */
export class DirectVerification implements Verification {
  readonly #verifier: Verifier

  constructor(verifier: Verifier) {
    this.#verifier = verifier
  }

  push(bytes: Buffer): void {
    this.#verifier.push(bytes)
  }

  async finish(): Promise<Verdict> {
    return this.#verifier.finish()
  }

  end(): void {}
}
