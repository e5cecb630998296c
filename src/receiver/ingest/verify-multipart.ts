import { firstPartName } from '../../wire/first-part.ts'
import { HeldBytes } from '../../wire/held-bytes.ts'
import { boundaryFrom } from '../../wire/part-header.ts'
import { WireError } from '../../wire/wire-error.ts'
import type { MessageHead, Verdict, Verifier } from './verdict.ts'
import { FormVerifier } from './verify-form.ts'
import { MessageVerifier } from './verify-message.ts'

/**
 * Finds out whether a multipart message begins with a manifest, and leaves it to one of the two that
 * know such a message. Only the name of the first part decides: a manifest whose type was forgotten is
 * refused rather than stored as a file.
 */
export class MultipartVerifier implements Verifier {
  readonly #head: MessageHead
  readonly #boundary: string
  readonly #held = new HeldBytes()
  #chosen: Verifier | undefined

  /** @throws WireError `bad_content_type` */
  constructor(head: MessageHead) {
    this.#head = head
    this.#boundary = boundaryFrom(head.contentType)
  }

  push(piece: Buffer): void {
    if (this.#chosen !== undefined) {
      this.#chosen.push(piece)
      return
    }
    const bytes = this.#held.join(piece)
    const name = firstPartName(bytes, this.#boundary)
    if (name === undefined) {
      this.#held.keep(bytes, 0)
      return
    }
    this.#chosen = this.#verifierOf(name)
    this.#chosen.push(bytes)
    this.#held.keep(bytes, bytes.length)
  }

  finish(): Verdict {
    if (this.#chosen !== undefined) return this.#chosen.finish()
    throw new WireError('bad_multipart', 'the message ends before its first part')
  }

  #verifierOf(firstPart: string): Verifier {
    const { contentType, uploadId } = this.#head
    return firstPart === 'manifest'
      ? new MessageVerifier(contentType, uploadId)
      : new FormVerifier(this.#boundary, uploadId)
  }
}
