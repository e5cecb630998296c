import type { OutgoingHttpHeaders } from 'node:http2'
import type { Outcome } from '../../src/wire/outcome.ts'

/** What a {@link MisbehavingReceiver} does with one request instead of what it should. */
export type Misbehaviour =
  | Answer
  /** Reads the message, then says this of its files instead of the truth; any number of outcomes. */
  | {
      readonly does: 'outcomes'
      readonly change: (truth: readonly Outcome[]) => readonly Outcome[]
    }
  /** RST_STREAM with this code, once so much of the body was read (default: at once). */
  | { readonly does: 'reset'; readonly code: number; readonly afterBytes?: number }
  | GoAway
  /** Never answers. Reads the body, or leaves it where it is. */
  | { readonly does: 'silence'; readonly readsBody: boolean }
  /** Reads the message, answers 200, and then sends bytes without end. */
  | { readonly does: 'endless' }
  /** The connection dies when so much of the body was read. */
  | { readonly does: 'death'; readonly by: 'fin' | 'rst'; readonly afterBytes: number }
  /** Behaves well, and the connection ends right after the answer. */
  | { readonly does: 'last_words' }
  /** Sends so many SETTINGS frames, then behaves well. */
  | { readonly does: 'settings_flood'; readonly frames: number }

export interface Answer {
  readonly does: 'answer'
  readonly status: number
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Buffer
  /** Before the body is read, rather than after it. */
  readonly early?: boolean
}

export interface GoAway {
  readonly does: 'goaway'
  readonly code: number
  /** The last stream that is still served; default: the newest one. */
  readonly lastStreamId?: number
  /** Whether the request is answered all the same. */
  readonly then: 'answers' | 'silence'
}

/** What it does with new connections. */
export type Handshake =
  | 'http2'
  /** Hangs up on the first bytes of the device. */
  | 'closed'
  /** A web server that knows no HTTP/2 and answers every request with this page. */
  | 'http1'

/** A problem document of ours, such as `problem(413, 'too_large')`. */
export function problem(status: number, code: string, headers: OutgoingHttpHeaders = {}): Answer {
  return {
    does: 'answer',
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ type: `urn:longshore:problem:${code}`, status, detail: `said ${code}` }),
  }
}

export function early(answer: Answer): Answer {
  return { ...answer, early: true }
}

export const proxyPage: Answer = {
  does: 'answer',
  status: 502,
  headers: { 'content-type': 'text/html' },
  body: '<html><body><h1>502 Bad Gateway</h1></body></html>',
}

export function redirect(location: string): Answer {
  return { does: 'answer', status: 302, headers: { location } }
}
