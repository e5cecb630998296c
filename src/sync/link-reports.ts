import type { Log } from '../telemetry/log.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'

const remindEveryMs = 60 * 60_000

/** Says in the log why everything waits: when that begins or changes, and then once an hour. */
export class LinkReports {
  readonly #log: Log
  #last: { readonly key: string; readonly atMs: number } | undefined

  constructor(log: Log) {
    this.#log = log
  }

  failed(failure: TransferFailure, waitMs: number, nowMs: number): void {
    const key = `${failure.kind} ${failure.status} ${failure.problemCode}`
    if (this.#last?.key === key && nowMs - this.#last.atMs < remindEveryMs) return
    this.#last = { key, atMs: nowMs }
    this.#log.warn('uploads_held', `everything waits: ${failure.detail}`, {
      code: failure.problemCode ?? failure.kind,
      wait_s: Math.round(waitMs / 100) / 10,
    })
  }

  /** The next failure is a new one. */
  works(): void {
    this.#last = undefined
  }
}
