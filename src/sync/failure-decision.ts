import type { TransferFailure } from '../wire/transfer-failure.ts'

/** What a failed request means for the files in it, and for all others. */
export type FailureDecision =
  /** Nothing is wrong with these files: everything waits. */
  | {
      readonly action: 'hold_all'
      /** Undefined: back off. */
      readonly waitMs: number | undefined
      /** True when a person has to do something first. */
      readonly lasting: boolean
      /** True when it may yet be for one of these files: they do not come together again. */
      readonly apart: boolean
    }
  /** One of these files may be to blame: find out which; alone, set it aside after three tries. */
  | { readonly action: 'suspect_files' }
  /** Too much for one request: halve it; alone, hold the file. */
  | { readonly action: 'too_large' }
  /** We ended it ourselves: the files wait as before. */
  | { readonly action: 'put_back' }

/** Credentials and certificates: looked at again after this long. */
const lastingWaitMs = 15 * 60_000

/**
 * The one place that knows what each failure leads to; docs/reliability.md has it as a table.
 *
 * @param concernsEverything - One file after the other has been turned down, and none was taken.
 */
export function decideFailure(
  failure: TransferFailure,
  concernsEverything: boolean,
): FailureDecision {
  const decision = decideAlone(failure)
  const isNotTheFiles = concernsEverything && decision.action === 'suspect_files'
  return isNotTheFiles ? holdAll(lastingWaitMs, true) : decision
}

function decideAlone(failure: TransferFailure): FailureDecision {
  switch (failure.kind) {
    case 'stopped':
      return { action: 'put_back' }
    case 'unreachable':
    case 'connection_lost':
    case 'stalled':
      return holdAll(undefined)
    case 'not_trusted':
    case 'certificate_not_yet_valid':
    case 'certificate_expired':
    case 'certificate_wrong_name':
    case 'incompatible':
      return holdAll(lastingWaitMs, true)
    case 'refused':
      return decideStatus(failure.status ?? 0, failure.retryAfterMs)
    default:
      return failure.kind satisfies never
  }
}

function decideStatus(status: number, retryAfterMs: number | undefined): FailureDecision {
  switch (status) {
    case 401:
    case 403:
    case 404:
    case 405:
      return holdAll(lastingWaitMs, true)
    case 413:
      return { action: 'too_large' }
    case 500:
      // A fault of the receiver's, that it may only have with one of these files.
      return { ...holdAll(retryAfterMs), apart: true }
    case 400:
    case 411:
    case 415:
    case 422:
      return { action: 'suspect_files' }
    default:
      // 429, 502, 503, 504, 507 and whatever a proxy makes up.
      return holdAll(retryAfterMs)
  }
}

function holdAll(waitMs: number | undefined, lasting = false) {
  return { action: 'hold_all', waitMs, lasting, apart: false } as const
}
