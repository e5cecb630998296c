import type { IncomingHttpHeaders } from 'node:http2'
import {
  maxBundleMessageBytes,
  maxFileSizeBytes,
  singleUploadAboveBytes,
} from '../../wire/limits.ts'
import type { Problem } from '../../wire/problem.ts'
import { maxContentDispositionBytes, maxContentTypeBytes } from '../store/record.ts'

/** What the header fields of an upload say. */
export interface UploadRequest {
  readonly contentType: string
  readonly contentDisposition: string
  readonly contentLength: number
  readonly uploadId: string | undefined
  /** True for an upload of its own that is large enough for a segment of its own. */
  readonly single: boolean
  /** True for msgpack outcomes, false for JSON. */
  readonly wantsMsgpack: boolean
}

/** Reads the header fields of `POST /v1/uploads`, before a byte of the body. */
export function readUploadRequest(headers: IncomingHttpHeaders): UploadRequest | Problem {
  const contentLength = Number(headers['content-length'])
  if (headers['content-length'] === undefined) {
    return problem('length_required', 411, 'Send Content-Length: it tells a break from an end.')
  }
  if (!Number.isSafeInteger(contentLength) || contentLength <= 0) {
    return problem('bad_request', 400, 'Content-Length must be a whole number above 0.')
  }
  const uploadComplete = textOf(headers['upload-complete'])
  if (uploadComplete !== undefined && uploadComplete !== '?1') {
    return problem(
      'bad_request',
      400,
      'Upload-Complete must be ?1: this receiver takes whole uploads.',
    )
  }
  const idempotencyKey = textOf(headers['idempotency-key'])
  if (idempotencyKey !== undefined && !/^"[0-9a-f]{64}"$/.test(idempotencyKey)) {
    return problem(
      'bad_request',
      400,
      'Idempotency-Key must be the upload id, 64 hex digits, in double quotes.',
    )
  }
  const contentType = headers['content-type'] ?? ''
  if (Buffer.byteLength(contentType) > maxContentTypeBytes) {
    const detail = `Content-Type may have at most ${maxContentTypeBytes} bytes.`
    return problem('bad_content_type', 415, detail)
  }
  const contentDisposition = textOf(headers['content-disposition']) ?? ''
  if (Buffer.byteLength(contentDisposition) > maxContentDispositionBytes) {
    const detail = `Content-Disposition may have at most ${maxContentDispositionBytes} bytes.`
    return problem('bad_request', 400, detail)
  }
  const single = uploadComplete !== undefined
  const maxBytes = single ? maxFileSizeBytes : maxBundleMessageBytes
  if (contentLength > maxBytes) {
    const detail = single
      ? `An upload may have at most ${maxBytes} bytes.`
      : `A bundle may have at most ${maxBytes} bytes; send a larger file alone, with Upload-Complete: ?1.`
    return problem('too_large', 413, detail)
  }
  return {
    contentType,
    contentDisposition,
    contentLength,
    uploadId: idempotencyKey?.slice(1, -1),
    // A small one goes with the others: a file and two syncs for each would be easy to ask for.
    single: single && contentLength > singleUploadAboveBytes,
    wantsMsgpack: (textOf(headers.accept) ?? '').includes('application/vnd.msgpack'),
  }
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

function problem(code: string, status: number, detail: string): Problem {
  return { code, status, detail }
}
