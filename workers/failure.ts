import { errnoOf, messageOf } from '../src/base/errors.ts'
import type { TransferFailure, TransferFailureKind } from '../src/wire/transfer-failure.ts'

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

/** What undici, Node's TLS and the system say, by their codes. Anything else broke the connection. */
const kindByCode: Readonly<Record<string, TransferFailureKind>> = {
  ECONNREFUSED: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ENOTFOUND: 'unreachable',
  EAI_AGAIN: 'unreachable',
  ETIMEDOUT: 'unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'unreachable',
  SELF_SIGNED_CERT_IN_CHAIN: 'not_trusted',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'not_trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'not_trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'not_trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'not_trusted',
  CERT_SIGNATURE_FAILURE: 'not_trusted',
  CERT_UNTRUSTED: 'not_trusted',
  INVALID_CA: 'not_trusted',
  CERT_NOT_YET_VALID: 'certificate_not_yet_valid',
  CERT_HAS_EXPIRED: 'certificate_expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate_wrong_name',
  EPROTO: 'incompatible',
  ERR_SSL_WRONG_VERSION_NUMBER: 'incompatible',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'incompatible',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'incompatible',
}

/** Sorts what a request was rejected with. */
export function failureOf(error: unknown): TransferFailure {
  const detail = messageOf(error) || (errnoOf(error) ?? 'unknown error')
  if (error instanceof StalledError) return { kind: 'stalled', detail }
  if (error instanceof NoHttp2Error) return { kind: 'incompatible', detail }
  const code = errnoOf(error) ?? errnoOf((error as { cause?: unknown } | null)?.cause) ?? ''
  return {
    kind: kindByCode[code] ?? 'connection_lost',
    detail: code === '' ? detail : `${detail} (${code})`,
  }
}

/** `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3). */
export function retryAfterMs(
  value: string,
  nowMs = Date.now(),
): { readonly retryAfterMs?: number } {
  if (/^\d{1,9}$/.test(value)) return { retryAfterMs: Number(value) * 1000 }
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? {} : { retryAfterMs: Math.max(0, atMs - nowMs) }
}
