/** Why a request to the receiver came to nothing, as a fact; what to do about it is decided elsewhere. */
export type TransferFailureKind =
  /** No connection: refused, no route, no such host, no answer. */
  | 'unreachable'
  /** The receiver's certificate is not signed by a CA that the config trusts. */
  | 'not_trusted'
  | 'certificate_not_yet_valid'
  | 'certificate_expired'
  | 'certificate_wrong_name'
  /** Something answers, but it is no Longshore receiver. */
  | 'incompatible'
  /** A receiver answered, in a way that makes no sense. */
  | 'answer_unreadable'
  /** The connection broke while the request was under way. */
  | 'connection_lost'
  /** Nothing moved for too long. */
  | 'stalled'
  /** We stopped it ourselves. */
  | 'stopped'
  /** This device has no descriptors or no memory left for the moment. */
  | 'device_busy'
  /** The thread that carried it died, or hit a bug of ours. */
  | 'fault_here'
  /** The receiver answered with a problem: see `status` and `problemCode`. */
  | 'refused'

export interface TransferFailure {
  readonly kind: TransferFailureKind
  /** For people. */
  readonly detail: string
  /** HTTP status and code of the problem document; only for `refused`. */
  readonly status?: number
  readonly problemCode?: string
  /** How much the receiver has of the upload's message; only where the answer said so. */
  readonly uploadOffset?: number
  readonly retryAfterMs?: number
}
