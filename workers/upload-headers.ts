import type { Digest } from '../src/base/hash.ts'
import { manifestContentType } from '../src/wire/limits.ts'
import type { MessageLayout } from '../src/wire/multipart-layout.ts'

/** The header fields of `POST /v1/uploads`; docs/protocol.md. */
export function uploadHeaders(
  layout: MessageLayout,
  uploadId: Digest,
  kind: 'bundle' | 'single',
): Record<string, string> {
  return {
    'content-type': layout.contentType,
    'content-length': String(layout.contentLength),
    'idempotency-key': `"${uploadId}"`,
    accept: manifestContentType,
    // Marks an upload of its own, draft-ietf-httpbis-resumable-upload: all of it is in this request.
    ...(kind === 'single' && { 'upload-complete': '?1' }),
  }
}

/** The header fields of a `PATCH` with everything from this byte of the message to its end. */
export function resumeHeaders(layout: MessageLayout, fromByte: number): Record<string, string> {
  return {
    'content-type': 'application/partial-upload',
    'content-length': String(layout.contentLength - fromByte),
    'upload-offset': String(fromByte),
    'upload-complete': '?1',
    accept: manifestContentType,
  }
}
