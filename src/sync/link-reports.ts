import type { Log } from '../telemetry/log.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'

/** While everything waits for one and the same reason. */
const remindEveryMs = 60 * 60_000
/** A link that breaks every minute must not fill the log. */
const sameAgainAfterMs = 10 * 60_000

interface Report {
  readonly outage: number
  readonly atMs: number
}

/** Says in the log why everything waits: when that begins or changes, then once an hour, and when it is over. */
export class LinkReports {
  readonly #log: Log
  /** By kind and status, so there are only so many. */
  readonly #reports = new Map<string, Report>()
  #outage = 1
  #isReported = false

  constructor(log: Log) {
    this.#log = log
  }

  failed(failure: TransferFailure, waitMs: number, nowMs: number): void {
    const key = `${failure.kind} ${failure.status}`
    const last = this.#reports.get(key)
    if (last !== undefined) {
      const quietMs = last.outage === this.#outage ? remindEveryMs : sameAgainAfterMs
      if (nowMs - last.atMs < quietMs) return
    }
    this.#reports.set(key, { outage: this.#outage, atMs: nowMs })
    this.#isReported = true
    this.#log.warn('uploads_held', `everything waits: ${failure.detail}`, {
      code: failure.problemCode ?? failure.kind,
      wait_s: Math.round(waitMs / 100) / 10,
    })
  }

  /** An upload has gone through. */
  works(): void {
    this.#outage += 1
    if (!this.#isReported) return
    this.#isReported = false
    this.#log.info('uploads_resumed', 'the receiver takes uploads again')
  }
}
