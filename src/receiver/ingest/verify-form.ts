import { type Digest, StreamHasher } from '../../base/hash.ts'
import { FormReader } from '../../wire/form-reader.ts'
import { pathFromFileName } from '../../wire/named-file.ts'
import type { FormPartHeader } from '../../wire/part-header.ts'
import { WireError } from '../../wire/wire-error.ts'
import { type NamedFile, verdictOn } from './named-files.ts'
import type { Verdict, Verifier } from './verdict.ts'

/** Follows a form without a manifest. A part with a file name is a file; the others are passed over. */
export class FormVerifier implements Verifier {
  readonly #reader: FormReader
  readonly #expectedId: Digest | undefined
  readonly #files: NamedFile[] = []
  readonly #hasher = new StreamHasher()
  #part: FormPartHeader | undefined
  #sizeBytes = 0
  #offset = 0

  constructor(boundary: string, expectedId: Digest | undefined) {
    this.#expectedId = expectedId
    this.#reader = new FormReader(boundary, {
      onPart: (part) => this.#onPart(part),
      onData: (bytes, messageOffset) => this.#onData(bytes, messageOffset),
      onPartEnd: () => this.#onPartEnd(),
    })
  }

  push(piece: Buffer): void {
    this.#reader.push(piece)
  }

  finish(): Verdict {
    if (!this.#reader.complete) {
      throw new WireError('bad_multipart', 'the form has no closing boundary at its declared end')
    }
    if (this.#files.length === 0) {
      throw new WireError('bad_multipart', 'the form holds no file: no part of it has a filename')
    }
    return verdictOn(this.#files, this.#expectedId)
  }

  #onPart(part: FormPartHeader): void {
    // A mistake that would store a manifest and digests as files, and the files without their paths.
    if (part.name === 'manifest') {
      throw new WireError('bad_multipart', 'the part "manifest" must be the first')
    }
    this.#part = part
    this.#sizeBytes = 0
    this.#offset = 0
  }

  #onData(bytes: Buffer, messageOffset: number): void {
    if (this.#part?.fileName === undefined) return
    if (this.#sizeBytes === 0) this.#offset = messageOffset
    this.#sizeBytes += bytes.length
    this.#hasher.update(bytes)
  }

  #onPartEnd(): void {
    const { fileName, contentType } = this.#part!
    const sizeBytes = this.#sizeBytes
    // Browsers send an empty name without bytes for a field in which no file was chosen.
    if (fileName === undefined || (fileName === '' && sizeBytes === 0)) return
    this.#files.push({
      path: pathFromFileName(fileName),
      mediaType: contentType,
      sizeBytes,
      digest: this.#hasher.digest(),
      offset: this.#offset,
    })
    this.#hasher.reset()
  }
}
