import type { FileIdentity } from '../base/file-identity.ts'
import type { FileResult } from '../wire/thread-messages.ts'
import type { SetAsideCode } from './quarantine/sidecar.ts'

/** What is to become of a file after a try. */
export type Settlement =
  /** The receiver has it: it may go, if it still is the file that was read. */
  | { readonly action: 'remove'; readonly already: boolean; readonly identity: FileIdentity }
  /** Left to the next scans: what it is now decides. */
  | { readonly action: 'leave'; readonly why: 'changed' | 'gone' }
  /** Tried again after a while. */
  | { readonly action: 'retry'; readonly why: string }
  /** No try can succeed: set aside. */
  | { readonly action: 'quarantine'; readonly code: SetAsideCode; readonly why: string }

/**
 * Invariant 1, first half: only an outcome that names the size and the hash that this process computed
 * itself may lead to a removal. Undefined for a file that was not sent: its shard's failure decides.
 */
export function settlementOf(result: FileResult): Settlement | undefined {
  switch (result.status) {
    case 'not_sent':
      return undefined
    case 'changed':
    case 'gone':
      return { action: 'leave', why: result.status }
    case 'unreadable':
      return { action: 'retry', why: `cannot be read (${result.errno})` }
    case 'answered':
      return settlementOfAnswer(result)
    default:
      return result satisfies never
  }
}

/** Two hashes that are missing are equal too. */
const digestPattern = /^[0-9a-f]{64}$/

function settlementOfAnswer(result: FileResult & { readonly status: 'answered' }): Settlement {
  const { outcome, digest, identity } = result
  switch (outcome.status) {
    case 'stored':
    case 'already_stored': {
      const isEqual = outcome.digest === digest && outcome.sizeBytes === identity.sizeBytes
      if (!isEqual || !digestPattern.test(digest)) {
        return {
          action: 'retry',
          why: 'the receiver names another hash or size than was read here',
        }
      }
      return { action: 'remove', already: outcome.status === 'already_stored', identity }
    }
    case 'rejected':
      return outcome.reason === 'name_not_allowed'
        ? {
            action: 'quarantine',
            code: outcome.reason,
            why: 'the receiver does not take its name',
          }
        : { action: 'retry', why: 'it arrived damaged: a fault of memory, disk or link' }
    default:
      return outcome.status satisfies never
  }
}
