import { mediaType } from '../../wire/part-header.ts'
import type { MessageHead, Verifier } from './verdict.ts'
import { MultipartVerifier } from './verify-multipart.ts'
import { RawVerifier } from './verify-raw.ts'

export type { MessageHead } from './verdict.ts'

/**
 * Who follows a message with such a head: `multipart/form-data` is a message of parts, with a manifest
 * or without; any other body is one file as it stands.
 *
 * @throws WireError when no message can follow such a head
 */
export function verifierFor(head: MessageHead): Verifier {
  return mediaType(head.contentType) === 'multipart/form-data'
    ? new MultipartVerifier(head)
    : new RawVerifier(head)
}
