import { type ErrorCode, LongshoreError } from '../base/errors.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'

/** A failed request as an error for a person: what happened, with whom, and what to do next. */
export function transferError(failure: TransferFailure, address: string): LongshoreError {
  const { code, hint } = explain(failure)
  return new LongshoreError(code, `${address}: ${failure.detail}`, { hint })
}

function explain(failure: TransferFailure): { readonly code: ErrorCode; readonly hint: string } {
  switch (failure.kind) {
    case 'unreachable':
      return {
        code: 'receiver_unreachable',
        hint: 'Is the receiver running, and are cloud.app_address and the network right?',
      }
    case 'not_trusted':
      return {
        code: 'receiver_not_trusted',
        hint: "cloud.ca_pem is not the CA of this receiver. Take it anew from the receiver's tls/ca.pem, or from longshore receiver machine add.",
      }
    case 'certificate_not_yet_valid':
      return {
        code: 'certificate_not_yet_valid',
        hint: 'Is the clock of this device right? Compare: date',
      }
    case 'certificate_expired':
      return {
        code: 'certificate_expired',
        hint: "Renew the receiver's certificate; and compare this device's clock: date",
      }
    case 'certificate_wrong_name':
      return {
        code: 'certificate_wrong_name',
        hint: 'Start the receiver with --name and the name or address that cloud.app_address has.',
      }
    case 'incompatible':
    case 'answer_unreadable':
      return {
        code: 'receiver_incompatible',
        hint: 'Check cloud.app_address; and that both ends run the same version of Longshore.',
      }
    case 'refused':
      return explainRefusal(failure)
    case 'connection_lost':
    case 'stalled':
    case 'stopped':
    case 'fault_here':
      return { code: 'connection_lost', hint: 'Nothing is lost: run it again.' }
    case 'device_busy':
      return {
        code: 'connection_lost',
        hint: 'Nothing is lost. Close programs that hold many files open, or raise their limit: ulimit -n',
      }
    default:
      return failure.kind satisfies never
  }
}

function explainRefusal({ status }: TransferFailure): {
  readonly code: ErrorCode
  readonly hint: string
} {
  switch (status) {
    case 401:
    case 403:
      return {
        code: 'credentials_rejected',
        hint: 'Check cloud.id and cloud.secret; on the receiver: longshore receiver machine list',
      }
    case 507:
      return { code: 'receiver_full', hint: 'Make room on the disk of the receiver.' }
    default:
      return { code: 'receiver_refused', hint: "The receiver's log says more." }
  }
}
