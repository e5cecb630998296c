import type { Digest } from '../../base/hash.ts'
import type { Outcome } from '../../wire/outcome.ts'
import type { FileEntry } from '../store/catalog.ts'

/** What must be known of a message before its first byte. All of it stands in the head of its record. */
export interface MessageHead {
  /** Of the request, verbatim; empty when it has none. */
  readonly contentType: string
  readonly contentDisposition: string
  /**
   * What the request said the upload id is, if it did. With a manifest it must be the manifest's hash;
   * without one it is the sender's choice.
   */
  readonly uploadId: Digest | undefined
}

/** Follows a message as it arrives. Bytes are looked at once, where they are; nothing is kept. */
export interface Verifier {
  /** The next bytes of the message; they are not kept. @throws WireError */
  push(piece: Buffer): void
  /** Call when all declared bytes were pushed. @throws WireError when the message is not complete then. */
  finish(): Verdict
}

/** What a complete message turned out to hold. */
export interface Verdict {
  readonly uploadId: Digest
  /** Files to keep; offsets count from the first byte of the message. */
  readonly files: readonly FileEntry[]
  /** One per file of the message; `stored` means "may be stored". */
  readonly outcomes: readonly Outcome[]
  /** Stands for all that the message says of its files, their bytes included. */
  readonly messageDigest: Digest
}
