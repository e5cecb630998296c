import { afterFirstBoundary, delimiterOf, endOfPartHeader } from './multipart-framing.ts'
import { parsePartHeader } from './part-header.ts'

/**
 * The name of the first part of a multipart message of which these are the first bytes; undefined for
 * "more bytes", which are never more than a boundary and one part's header.
 *
 * @throws WireError `bad_multipart`
 */
export function firstPartName(bytes: Buffer, boundary: string): string | undefined {
  const start = afterFirstBoundary(bytes, 0, delimiterOf(boundary))
  if (start === undefined) return undefined
  const end = endOfPartHeader(bytes, start)
  return end === undefined ? undefined : parsePartHeader(bytes.toString('latin1', start, end)).name
}
