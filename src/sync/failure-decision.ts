import type { FileResult, ShardResult } from '../wire/thread-messages.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'
import {
  actionByClass,
  actionByKind,
  actionByProblem,
  actionByStatus,
  deviceBusyErrnos,
  type FailureAction,
} from './failure-table.ts'

/** What a failed request means for the files in it, and for all others. */
export interface FailureDecision {
  readonly action: FailureAction
  /** What the receiver asks for; undefined to back off. Only where everything is held. */
  readonly waitMs: number | undefined
  /** True when no look at the receiver can prove it wrong. Only of `hold all, report`. */
  readonly isCertain: boolean
}

/**
 * The one place that knows what each failure leads to: see `failure-table.ts` and docs/reliability.md.
 *
 * @param concernsEverything - One file after the other has been turned down, and none was taken.
 */
export function decideFailure(
  failure: TransferFailure,
  concernsEverything: boolean,
): FailureDecision {
  const action = actionFor(failure)
  const isForFiles =
    action === 'quarantine' || (action === 'file later' && failure.status !== 413) || isNo(failure)
  if (concernsEverything && isForFiles) {
    return { action: 'hold all, report', waitMs: undefined, isCertain: true }
  }
  const isHeld = action === 'hold all' || action === 'hold all, apart'
  return { action, waitMs: isHeld ? failure.retryAfterMs : undefined, isCertain: false }
}

/** A refusal that looks as if it were for everything. */
function isNo(failure: TransferFailure): boolean {
  return failure.kind === 'refused' && actionFor(failure) === 'hold all, report'
}

function actionFor({ kind, status = 0, problemCode = '' }: TransferFailure): FailureAction {
  if (kind !== 'refused') return actionByKind[kind]
  const ofProblem = Object.hasOwn(actionByProblem, problemCode)
    ? actionByProblem[problemCode]
    : undefined
  const ofClass = actionByClass[`${Math.floor(status / 100)}xx`]
  return ofProblem ?? actionByStatus[status] ?? ofClass ?? actionByClass.other!
}

/**
 * What a shard came to, with files that could not be read for want of descriptors or memory as ones
 * that were not sent: that is no fault of theirs, and passes.
 */
export function withoutDeviceFaults(result: ShardResult): ShardResult {
  const busy = result.files.find(isDeviceBusy)
  if (busy === undefined) return result
  return {
    files: result.files.map((file) => (isDeviceBusy(file) ? { status: 'not_sent' } : file)),
    failure: result.failure ?? {
      kind: 'device_busy',
      detail: `this device has no room for open files or memory just now (${busy.errno})`,
    },
  }
}

function isDeviceBusy(file: FileResult): file is FileResult & { readonly status: 'unreadable' } {
  return file.status === 'unreadable' && deviceBusyErrnos.has(file.errno)
}
