/** Why a request to the receiver came to nothing, as a fact; what to do about it is decided elsewhere. */
export type TransferFailureKind =
  /** No connection: refused, no route, no such host, no answer. */
  | 'unreachable'
  /** The receiver's certificate is not signed by a CA that the config trusts. */
  | 'not_trusted'
  | 'certificate_not_yet_valid'
  | 'certificate_expired'
  | 'certificate_wrong_name'
  /** Something answers, but it is no Longshore receiver, or an answer makes no sense. */
  | 'incompatible'
  /** The connection broke while the request was under way. */
  | 'connection_lost'
  /** Nothing moved for too long. */
  | 'stalled'
  /** We stopped it ourselves. */
  | 'stopped'
  /** The receiver answered with a problem: see `status` and `problemCode`. */
  | 'refused'

export interface TransferFailure {
  readonly kind: TransferFailureKind
  /** For people. */
  readonly detail: string
  /** HTTP status and code of the problem document; only for `refused`. */
  readonly status?: number
  readonly problemCode?: string
  readonly retryAfterMs?: number
}
