import { type BytePath, showPath } from '../base/byte-path.ts'
import { type NotReadyReason, reasonTexts } from '../scan/candidate.ts'
import type { Log } from '../telemetry/log.ts'

/** What a person should know of, because it will not go away by itself. */
const worthALine: ReadonlySet<NotReadyReason> = new Set([
  'symbolic_link',
  'not_a_regular_file',
  'other_mount',
  'receiver_data',
  'unreadable',
  'not_removable',
  'several_links',
])

/** Beyond this the log would be all about them: `longshore check` counts them. */
const maxReports = 1000

/** Reports each path that is left alone for good, once. */
export class ReportOnce {
  readonly #log: Log
  readonly #reported = new Set<string>()

  constructor(log: Log) {
    this.#log = log
  }

  notReady(path: BytePath, reason: NotReadyReason): void {
    if (!worthALine.has(reason)) return
    const key = `${reason}\0${path}`
    if (this.#reported.has(key) || this.#reported.size > maxReports) return
    this.#reported.add(key)
    if (this.#reported.size > maxReports) {
      return this.#log.warn('left_alone_more', 'further paths are left alone; they are not listed')
    }
    this.#log.warn('left_alone', `left alone: ${reasonTexts[reason]}`, {
      path: showPath(path),
      code: reason,
    })
  }
}
