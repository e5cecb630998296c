import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { maxFileSizeBytes } from '../../wire/limits.ts'

/*
 * The header fields of draft-ietf-httpbis-resumable-upload (interop version 8). They are Structured
 * Fields (RFC 9651): one of another type counts as not sent.
 */

export const interopVersion = '8'

/** `?1` or `?0`; undefined when it is missing or something else. */
export function uploadCompleteOf(headers: IncomingHttpHeaders): boolean | undefined {
  const value = itemOf(headers['upload-complete'])
  return value === '?1' ? true : value === '?0' ? false : undefined
}

export function uploadOffsetOf(headers: IncomingHttpHeaders): number | undefined {
  return integerOf(headers['upload-offset'])
}

export function uploadLengthOf(headers: IncomingHttpHeaders): number | undefined {
  return integerOf(headers['upload-length'])
}

/** True for a client that knows what an interim answer of this version means. */
export function wantsInterimAnswers(headers: IncomingHttpHeaders): boolean {
  return itemOf(headers['upload-draft-interop-version']) === interopVersion
}

export function uploadLimit(maxAgeMs: number): OutgoingHttpHeaders {
  return {
    'upload-limit': `max-size=${maxFileSizeBytes}, max-age=${Math.floor(maxAgeMs / 1000)}`,
  }
}

export function reachedFields(
  isComplete: boolean,
  offset: number,
  length: number | undefined,
): OutgoingHttpHeaders {
  return {
    'upload-complete': isComplete ? '?1' : '?0',
    'upload-offset': offset,
    ...(length !== undefined && { 'upload-length': length }),
  }
}

export function pathOfUpload(uploadId: string): string {
  return `/v1/uploads/${uploadId}`
}

/** The id in a path, or undefined: ids are in lower case, and nothing in them is escaped. */
export function uploadIdOf(path: string): string | undefined {
  return /^\/v1\/uploads\/([0-9a-f]{64})$/.exec(path)?.[1]
}

/** An item without its parameters (RFC 9651 section 4.2.3). */
function itemOf(value: string | string[] | undefined): string | undefined {
  if (typeof value !== 'string') return undefined
  return value.split(';', 1)[0]!.trim()
}

function integerOf(value: string | string[] | undefined): number | undefined {
  const item = itemOf(value)
  return item !== undefined && /^\d{1,15}$/.test(item) ? Number(item) : undefined
}
