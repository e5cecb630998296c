import { type BytePath, showPath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { formatBytes } from '../base/format.ts'
import { type DiskUsage, usedFraction } from '../room/disk-usage.ts'
import type { FinishedCapture } from '../room/finished-capture.ts'
import type { Log } from '../telemetry/log.ts'

const reportEveryMs = 60 * 60_000

/** What the log says of the disk-full rule: each file that goes, and why none goes although one should. */
export class EvictorReports {
  readonly #log: Log
  readonly #clock: Clock
  readonly #saidAtMs = new Map<string, number>()

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  evicted(path: BytePath, { identity, mtimeMs }: FinishedCapture): void {
    this.#log.warn('file_evicted', 'removed without having been uploaded: the disk is full', {
      path: showPath(path),
      bytes: identity.sizeBytes,
      modified: timeText(mtimeMs),
    })
  }

  leftToViam(): void {
    this.#say('room_left_to_viam', 'a viam-server runs, which has a rule of its own')
  }

  tooLittleOfCaptures({ availableBytes }: DiskUsage, share: number): void {
    const why = `capture_dir is ${percent(share)} of the file system, less than capture_dir_deletion_threshold`
    this.#say('room_not_ours', `${why} (${formatBytes(availableBytes)} left)`)
  }

  nothingMayGo(usage: DiskUsage): void {
    const why =
      'no capture file has had ten minutes in which it could be uploaded, or all of those are ' +
      `on their way or in use (${percent(usedFraction(usage))} used)`
    this.#say('room_not_yet', why)
  }

  notEvictable(path: BytePath, errno: string): void {
    this.#say('not_evictable', `the system does not let a file go (${errno})`, path)
  }

  failed(why: string): void {
    this.#say('room_failed', why)
  }

  /** Each once an hour: it would otherwise come every minute, on a disk that is full already. */
  #say(event: string, why: string, path?: BytePath): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - (this.#saidAtMs.get(event) ?? Number.NEGATIVE_INFINITY) < reportEveryMs) return
    this.#saidAtMs.set(event, nowMs)
    const fields = path === undefined ? {} : { path: showPath(path) }
    this.#log.warn(event, `the disk-full rule cannot act: ${why}`, fields)
  }
}

/** The times of a file may be beyond what a date can be. */
function timeText(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? String(timeMs) : date.toISOString()
}

function percent(fraction: number): string {
  return `${Math.round(fraction * 100)}%`
}
