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
