import type { ServerHttp2Stream } from 'node:http2'
import type { Answer } from './misbehaviour.ts'

export interface Reading {
  /** Of the body, so far. */
  bodyBytes: number
}

/**
 * Reads the body, and calls `then` once: when so much of it was read, or, without a number, when it
 * has ended. A body that ends before its number never gets there: it broke.
 */
export function whenRead(
  stream: ServerHttp2Stream,
  seen: Reading,
  then: () => void,
  afterBytes?: number,
  onBytes: (bytes: Buffer) => void = () => {},
): void {
  let done = false
  const finish = () => {
    if (!done && !stream.destroyed) then()
    done = true
  }
  stream.on('data', (bytes: Buffer) => {
    seen.bodyBytes += bytes.length
    onBytes(bytes)
    if (afterBytes !== undefined && seen.bodyBytes >= afterBytes) finish()
  })
  if (afterBytes === undefined) stream.on('end', finish)
  else if (afterBytes === 0) finish()
}

export function answer(stream: ServerHttp2Stream, { status, headers, body = '' }: Answer): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return
  stream.respond({ ':status': status, 'content-length': Buffer.byteLength(body), ...headers })
  stream.end(body)
}

export function pourForever(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/vnd.msgpack' })
  const piece = Buffer.alloc(16 * 1024, 0x93)
  const more = () => {
    while (!stream.destroyed && stream.write(piece));
  }
  stream.on('drain', more)
  more()
}
