import { type Digest, StreamHasher } from '../../base/hash.ts'
import { fileNameFrom } from '../../wire/file-name-parameter.ts'
import { readParameters } from '../../wire/header-parameters.ts'
import { pathFromFileName } from '../../wire/named-file.ts'
import { mediaType } from '../../wire/part-header.ts'
import { WireError } from '../../wire/wire-error.ts'
import { verdictOn } from './named-files.ts'
import type { MessageHead, Verdict, Verifier } from './verdict.ts'

/** Follows a body that is one file, named by the request's Content-Disposition. */
export class RawVerifier implements Verifier {
  readonly #hasher = new StreamHasher()
  readonly #fileName: string
  readonly #mediaType: string
  readonly #expectedId: Digest | undefined
  #sizeBytes = 0

  /** @throws WireError when the request names no file */
  constructor({ contentType, contentDisposition, uploadId }: MessageHead) {
    this.#fileName = fileNameOf(contentDisposition)
    this.#mediaType = mediaType(contentType)
    this.#expectedId = uploadId
  }

  push(piece: Buffer): void {
    this.#hasher.update(piece)
    this.#sizeBytes += piece.length
  }

  finish(): Verdict {
    const file = {
      path: pathFromFileName(this.#fileName),
      mediaType: this.#mediaType,
      sizeBytes: this.#sizeBytes,
      digest: this.#hasher.digest(),
      offset: 0,
    }
    return verdictOn([file], this.#expectedId)
  }
}

function fileNameOf(contentDisposition: string): string {
  if (contentDisposition === '') {
    throw new WireError(
      'bad_content_type',
      'expected Content-Type: multipart/form-data, or Content-Disposition: attachment; filename="..." for a body that is one file',
    )
  }
  const parameters = readParameters(contentDisposition)?.parameters
  const fileName = parameters && fileNameFrom(parameters, 'request')
  if (fileName === undefined || fileName === '') {
    const wanted = 'expected Content-Disposition: attachment; filename="..."'
    throw new WireError('bad_request', `${wanted}, with a name`)
  }
  return fileName
}
