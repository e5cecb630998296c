/**
 * What can be wrong with a message that arrived, by a code that never changes. The HTTP status says
 * who is to act: 4xx the sender. A message that merely ended too early is not here: a break is not an
 * error.
 */
const wireErrors = {
  bad_request: 400,
  bad_content_type: 415,
  bad_multipart: 400,
  bad_manifest: 422,
  manifest_too_large: 422,
  upload_id_mismatch: 422,
  length_mismatch: 422,
} as const

export type WireErrorCode = keyof typeof wireErrors

export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: WireErrorCode

  constructor(code: WireErrorCode, message: string) {
    super(message)
    this.code = code
  }

  get httpStatus(): number {
    return wireErrors[this.code]
  }
}
