import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { DataManagerConfig } from '../config/config.ts'
import type { Log } from '../telemetry/log.ts'
import { whyGateIsShut } from './gate.ts'
import type { SyncSession } from './sync-session.ts'
import { summaryOf } from './sync-summary.ts'

export interface DaemonOptions {
  readonly session: Pick<SyncSession, 'scan' | 'stats' | 'uploader'>
  readonly config: DataManagerConfig
  readonly clock: Clock
  readonly log: Log
  /** Ends it. The caller closes the session, which drains. */
  readonly shutdown: AbortSignal
}

/** At most one summary line in this time, and none when nothing moved. */
const summaryEveryMs = 60_000

/**
 * Scans, and then again every `sync_interval_mins`, until it is told to end. Uploads go on beside it:
 * a large file under way does not keep the next scan waiting. A scan that fails is reported and the
 * next one comes all the same.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { session, config, clock, log, shutdown } = options
  let reportedShut: string | undefined
  let lastSummary = summaryOf(session.stats)
  let lastSummaryAtMs = clock.monotonicMs()
  const stop = () => session.uploader.halt()
  shutdown.addEventListener('abort', stop)
  while (!shutdown.aborted) {
    const shut = whyGateIsShut(config)
    if (shut !== reportedShut) {
      if (shut !== undefined) log.warn('gate_shut', `nothing is synced: ${shut}`)
      reportedShut = shut
    }
    if (shut === undefined) {
      try {
        await session.scan()
      } catch (error) {
        log.error('scan_failed', 'a scan failed; the next one comes', { error: messageOf(error) })
      }
    }
    const nowMs = clock.monotonicMs()
    const summary = summaryOf(session.stats)
    if (nowMs - lastSummaryAtMs >= summaryEveryMs && summary !== lastSummary) {
      log.info('synced', summary)
      lastSummary = summary
      lastSummaryAtMs = nowMs
    }
    await clock.sleep(config.syncIntervalMs, shutdown)
  }
  shutdown.removeEventListener('abort', stop)
}
