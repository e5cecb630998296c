import type { OutgoingHttpHeaders } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { type Problem, problemAsJson, problemContentType } from '../../wire/problem.ts'

/** What a handler answers; a stream that is gone by then is nobody's error. */
export interface Reply {
  readonly status: number
  /** Only with a body. */
  readonly contentType?: string
  readonly body?: string | Buffer
  readonly headers?: OutgoingHttpHeaders
}

export function jsonReply(value: unknown): Reply {
  return { status: 200, contentType: 'application/json', body: JSON.stringify(value) }
}

export function problemReply(problem: Problem, headers?: OutgoingHttpHeaders): Reply {
  return {
    status: problem.status,
    contentType: problemContentType,
    body: problemAsJson(problem),
    ...(headers !== undefined && { headers }),
  }
}

/**
 * Answers, and sees the stream off. A body that is still arriving is read and dropped for `lingerMs`,
 * so that the sender gets to see the answer before the stream goes.
 */
export function sendReply(stream: ServerHttp2Stream, reply: Reply, lingerMs: number): void {
  // Closed and not yet destroyed: the sender has reset it, and what it sent is not read out yet.
  if (stream.destroyed || stream.closed || stream.headersSent) {
    stream.destroy()
    return
  }
  const { status, contentType, body, headers } = reply
  stream.respond({
    [constants.HTTP2_HEADER_STATUS]: status,
    ...(body !== undefined && {
      [constants.HTTP2_HEADER_CONTENT_TYPE]: contentType,
      [constants.HTTP2_HEADER_CONTENT_LENGTH]: Buffer.byteLength(body),
    }),
    [constants.HTTP2_HEADER_CACHE_CONTROL]: 'no-store',
    ...headers,
  })
  // Node itself ends the answer to a HEAD, and a 204.
  if (!stream.writableEnded) stream.end(body)
  if (!stream.readableEnded) {
    const linger = setTimeout(() => stream.destroy(), lingerMs).unref()
    const stop = () => clearTimeout(linger)
    stream.once('end', stop)
    stream.once('close', stop)
  }
  stream.resume()
}
