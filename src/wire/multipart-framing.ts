import { maxPartHeaderBytes } from './limits.ts'
import { WireError } from './wire-error.ts'

const newline = 0x0a
const carriageReturn = 0x0d
const dash = 0x2d
/** All that may follow the closing boundary. */
const lastLineEnd = [carriageReturn, newline]

/** What stands in front of each part but the first, which has no line end before it. */
export function delimiterOf(boundary: string): Buffer {
  return Buffer.from(`\r\n--${boundary}`, 'latin1')
}

/**
 * Where the header of the first part begins; undefined for "more bytes". @throws WireError
 */
export function afterFirstBoundary(
  bytes: Buffer,
  at: number,
  delimiter: Buffer,
): number | undefined {
  const length = delimiter.length - 2
  if (bytes.length - at < length + 2) return undefined
  if (delimiter.compare(bytes, at, at + length, 2) !== 0) {
    throw new WireError('bad_multipart', 'the message does not start with its boundary')
  }
  return afterLineEnd(bytes, at + length)
}

/** Both bytes at `at` must be there. @throws WireError */
export function afterLineEnd(bytes: Buffer, at: number): number {
  if (bytes[at] !== carriageReturn || bytes[at + 1] !== newline) {
    throw new WireError('bad_multipart', 'a boundary is not followed by a line end')
  }
  return at + 2
}

/** True when the boundary that ends at `at` is the closing one. */
export function isClosing(bytes: Buffer, at: number): boolean {
  return bytes[at] === dash && bytes[at + 1] === dash
}

/** Where the header lines of a part end, without the empty line. @throws WireError */
export function endOfPartHeader(bytes: Buffer, at: number): number | undefined {
  if (bytes[at] === carriageReturn && bytes[at + 1] === newline) {
    throw new WireError('bad_multipart', 'a part has no header')
  }
  const end = bytes.indexOf('\r\n\r\n', at, 'latin1')
  // Of bytes without an end, the last three may already belong to it.
  const atLeast = end === -1 ? bytes.length - 3 : end
  if (atLeast - at > maxPartHeaderBytes) {
    throw new WireError('bad_multipart', `a part's header has over ${maxPartHeaderBytes} bytes`)
  }
  return end === -1 ? undefined : end
}

/** Counts what follows the closing boundary. */
export class Epilogue {
  #bytes = 0

  /** @throws WireError for anything but one line end */
  push(bytes: Buffer, at: number): void {
    for (let index = at; index < bytes.length; index += 1) {
      if (bytes[index] !== lastLineEnd[this.#bytes]) {
        throw new WireError('bad_multipart', 'bytes follow the closing boundary')
      }
      this.#bytes += 1
    }
  }
}
