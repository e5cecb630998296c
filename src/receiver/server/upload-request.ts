import type { IncomingHttpHeaders } from 'node:http2'
import {
  maxBundleMessageBytes,
  maxFileSizeBytes,
  singleUploadAboveBytes,
} from '../../wire/limits.ts'
import type { Problem } from '../../wire/problem.ts'
import { maxContentDispositionBytes, maxContentTypeBytes } from '../store/record.ts'
import { uploadCompleteOf, uploadLengthOf, uploadOffsetOf } from './upload-fields.ts'

/** What the header fields of an upload say. */
export interface UploadRequest {
  readonly contentType: string
  readonly contentDisposition: string
  /** Of this request's body. */
  readonly contentLength: number
  readonly uploadId: string | undefined
  /** True for an upload that has a segment of its own, and can go on where it broke off. */
  readonly resumable: boolean
  /** True when the body is all of the message. */
  readonly isLast: boolean
  /** Of the whole message, if the request tells. */
  readonly messageBytes: number | undefined
}

/** What the header fields of further bytes say. */
export interface AppendRequest {
  readonly offset: number
  readonly contentLength: number
  readonly isLast: boolean
}

/** True for msgpack outcomes, false for JSON. */
export function wantsMsgpack(headers: IncomingHttpHeaders): boolean {
  return (textOf(headers.accept) ?? '').includes('application/vnd.msgpack')
}

/** Reads the header fields of `POST /v1/uploads`, before a byte of the body. */
export function readUploadRequest(headers: IncomingHttpHeaders): UploadRequest | Problem {
  const isLast = uploadCompleteOf(headers)
  const contentType = headers['content-type'] ?? ''
  const contentLength = contentLengthOf(headers, isLast === false || !isMultipart(contentType))
  if (typeof contentLength !== 'number') return contentLength
  const idempotencyKey = textOf(headers['idempotency-key'])
  if (idempotencyKey !== undefined && !/^"[0-9a-f]{64}"$/.test(idempotencyKey)) {
    return problem(
      'bad_request',
      400,
      'Idempotency-Key must be the upload id, 64 hex digits, in double quotes.',
    )
  }
  if (Buffer.byteLength(contentType) > maxContentTypeBytes) {
    const detail = `Content-Type may have at most ${maxContentTypeBytes} bytes.`
    return problem('bad_content_type', 415, detail)
  }
  const contentDisposition = textOf(headers['content-disposition']) ?? ''
  if (Buffer.byteLength(contentDisposition) > maxContentDispositionBytes) {
    const detail = `Content-Disposition may have at most ${maxContentDispositionBytes} bytes.`
    return problem('bad_request', 400, detail)
  }
  const announced = uploadLengthOf(headers)
  if (isLast === true && announced !== undefined && announced !== contentLength) {
    return inconsistentLength(announced)
  }
  if (announced !== undefined && contentLength > announced) return inconsistentLength(announced)
  const messageBytes = isLast === false ? announced : contentLength
  const tooLarge = whyTooLarge(Math.max(contentLength, messageBytes ?? 0), isLast)
  if (tooLarge !== undefined) return tooLarge
  return {
    contentType,
    contentDisposition,
    contentLength,
    uploadId: idempotencyKey?.slice(1, -1),
    // A small one goes with the others: a file and two syncs for each would be easy to ask for.
    resumable: isLast === false || (isLast === true && contentLength > singleUploadAboveBytes),
    isLast: isLast !== false,
    messageBytes,
  }
}

/** Reads the header fields of `PATCH /v1/uploads/ID`, before a byte of the body. */
export function readAppendRequest(headers: IncomingHttpHeaders): AppendRequest | Problem {
  const contentType = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (contentType !== 'application/partial-upload') {
    const detail = 'Further bytes come as Content-Type: application/partial-upload.'
    return problem('bad_content_type', 415, detail)
  }
  const contentLength = contentLengthOf(headers, true)
  if (typeof contentLength !== 'number') return contentLength
  const offset = uploadOffsetOf(headers)
  if (offset === undefined) {
    return problem('bad_request', 400, 'Upload-Offset must say where the bytes belong.')
  }
  const isLast = uploadCompleteOf(headers)
  if (isLast === undefined) {
    const detail = 'Upload-Complete must be ?1 with the last bytes, and ?0 before them.'
    return problem('bad_request', 400, detail)
  }
  const tooLarge = whyTooLarge(offset + contentLength, true)
  return tooLarge ?? { offset, contentLength, isLast }
}

export function inconsistentLength(messageBytes: number): Problem {
  const detail = `The length of this upload is ${messageBytes} bytes.`
  return problem('inconsistent_upload_length', 400, detail)
}

function contentLengthOf(headers: IncomingHttpHeaders, mayBeEmpty: boolean): number | Problem {
  const contentLength = Number(headers['content-length'])
  if (headers['content-length'] === undefined) {
    return problem('length_required', 411, 'Send Content-Length: it tells a break from an end.')
  }
  const least = mayBeEmpty ? 0 : 1
  if (Number.isSafeInteger(contentLength) && contentLength >= least) return contentLength
  return problem('bad_request', 400, `Content-Length must be a whole number of at least ${least}.`)
}

/** Anything else is the content of a file, which may be empty. */
function isMultipart(contentType: string): boolean {
  return /^\s*multipart\//i.test(contentType)
}

function whyTooLarge(messageBytes: number, isLast: boolean | undefined): Problem | undefined {
  const maxBytes = isLast === undefined ? maxBundleMessageBytes : maxFileSizeBytes
  if (messageBytes <= maxBytes) return undefined
  const detail =
    isLast === undefined
      ? `A bundle may have at most ${maxBytes} bytes; send a larger file alone, with Upload-Complete: ?1.`
      : `An upload may have at most ${maxBytes} bytes.`
  return problem('too_large', 413, detail)
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

function problem(code: string, status: number, detail: string): Problem {
  return { code, status, detail }
}
