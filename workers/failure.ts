import { errnoOf, messageOf } from '../src/base/errors.ts'
import type { TransferFailure, TransferFailureKind } from '../src/wire/transfer-failure.ts'
import { kindByCode, kindByHttp2Code } from './failure-codes.ts'

export class StalledError extends Error {
  constructor(stallMs: number) {
    super(`nothing moved on the connection for ${Math.round(stallMs / 1000)} s`)
  }
}

export class NoHttp2Error extends Error {
  constructor() {
    super('what answers there does not speak HTTP/2')
  }
}

export class SessionGoneError extends Error {
  constructor() {
    super('the connection had ended before')
  }
}

/** The device has another address by now. */
export class AddressLostError extends Error {
  constructor(address: string) {
    super(`this device no longer has the address ${address}`)
  }
}

/** True when the receiver takes no more requests on this connection, and may yet answer earlier ones. */
export function isGoingAway(error: unknown): boolean {
  return codesOf(error).includes('ERR_HTTP2_GOAWAY_SESSION')
}

/**
 * True when the client must be given up. undici 8.12.4 goes on using a session for good that an alert
 * of TLS has ended, such as the one about a damaged record: every later request fails with this.
 */
export function isSessionGone(error: unknown): boolean {
  return codesOf(error).includes('ERR_HTTP2_INVALID_SESSION')
}

function codesOf(error: unknown): (string | undefined)[] {
  const cause = (error as { cause?: unknown } | null | undefined)?.cause
  return [errnoOf(error), errnoOf(cause)]
}

/** Sorts what a request was rejected with. */
export function failureOf(error: unknown): TransferFailure {
  const detail = messageOf(error) || (errnoOf(error) ?? 'unknown error')
  if (error instanceof StalledError) return { kind: 'stalled', detail }
  if (error instanceof NoHttp2Error) return { kind: 'incompatible', detail }
  const cause = (error as { cause?: unknown } | null | undefined)?.cause
  const code = errnoOf(error) ?? errnoOf(cause) ?? ''
  return {
    kind: kindByHttp2Code.get(http2CodeOf(error, cause)) ?? kindOf(code, cause),
    detail: code === '' ? detail : `${detail} (${code})`,
  }
}

/** undici wraps what it was told in errors of its own: what is inside says more. */
function kindOf(code: string, cause: unknown): TransferFailureKind {
  const ofCode = kindByCode.get(code)
  const ofCause = kindByCode.get(errnoOf(cause) ?? '')
  return (ofCode === 'connection_lost' ? (ofCause ?? ofCode) : ofCode) ?? 'connection_lost'
}

function http2CodeOf(error: unknown, cause: unknown): number {
  for (const each of [error, cause]) {
    const code = (each as { http2ErrorCode?: unknown } | null | undefined)?.http2ErrorCode
    if (typeof code === 'number') return code
  }
  return 0
}

/** Longer is no different to whoever asks, and a number of any length may come. */
const longestSeconds = 1e9

/** `Sun, 06 Nov 1994 08:49:37 GMT` and the two older forms that a recipient must know (RFC 9110 section 5.6.7). */
const httpDate =
  /^[A-Z][a-z]{2,8}, ?\d{2}[ -][A-Z][a-z]{2}[ -](?:\d{2}|\d{4}) \d{2}:\d{2}:\d{2} GMT$/
const asctimeDate = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/

/**
 * `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3). A date that is over means now;
 * what is neither is as good as nothing.
 *
 * @param date - The answer's own `Date`: the clock of a device may be years behind.
 */
export function retryAfterMs(
  value: string,
  date = '',
  nowMs = Date.now(),
): { readonly retryAfterMs?: number } {
  if (/^\d+$/.test(value)) {
    return { retryAfterMs: Math.min(Number(value), longestSeconds) * 1000 }
  }
  const atMs = parseHttpDate(value)
  if (atMs === undefined) return {}
  return { retryAfterMs: Math.max(0, atMs - (parseHttpDate(date) ?? nowMs)) }
}

function parseHttpDate(text: string): number | undefined {
  const isAsctime = asctimeDate.test(text)
  if (!isAsctime && !httpDate.test(text)) return undefined
  const ms = Date.parse(isAsctime ? `${text} GMT` : text)
  return Number.isNaN(ms) ? undefined : ms
}
