import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { DataManagerConfig } from '../config/config.ts'
import type { Log } from '../telemetry/log.ts'
import { whyGateIsShut } from './gate.ts'
import type { HeldCounts } from './held-files.ts'
import type { SyncStats } from './sync-stats.ts'
import { heldText, summaryOf } from './sync-summary.ts'

/** What the daemon needs of a `SyncSession`. */
export interface DaemonSession {
  readonly stats: SyncStats
  readonly uploader: { halt(): void }
  /** The disk-full rule, where it is on. */
  readonly evictor?: { look(isGateOpen: boolean): Promise<void> } | undefined
  scan(): Promise<unknown>
  /** What waits for another try now. */
  held(): HeldCounts
}

export interface DaemonOptions {
  readonly session: DaemonSession
  readonly config: Pick<
    DataManagerConfig,
    'syncIntervalMs' | 'syncDisabled' | 'selectiveSyncerName'
  >
  readonly clock: Clock
  readonly log: Log
  /** Ends it. The caller closes the session, which drains. */
  readonly shutdown: AbortSignal
}

/** At most one summary line in this time, and none when nothing moved. */
const summaryEveryMs = 60_000
/** A file system may take half a minute until what was removed shows as free. */
const roomEveryMs = 60_000

/**
 * Scans, and then again every `sync_interval_mins`, until it is told to end. Uploads go on beside it:
 * a large file under way does not keep the next scan waiting. A scan that fails is reported and the
 * next one comes all the same.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { session, shutdown } = options
  const stop = () => session.uploader.halt()
  if (shutdown.aborted) return stop()
  shutdown.addEventListener('abort', stop)
  try {
    // A scan lasts as long as what it finds is being uploaded: the summary does not wait for it.
    await Promise.all([scanAgainAndAgain(options), summarize(options), keepRoom(options)])
  } finally {
    shutdown.removeEventListener('abort', stop)
  }
}

async function scanAgainAndAgain({
  session,
  config,
  clock,
  log,
  shutdown,
}: DaemonOptions): Promise<void> {
  let reportedShut: string | undefined
  let reportedFailure: string | undefined
  while (!shutdown.aborted) {
    const shut = whyGateIsShut(config)
    if (shut !== reportedShut) {
      if (shut !== undefined) log.warn('gate_shut', `nothing is synced: ${shut}`)
      reportedShut = shut
    }
    if (shut === undefined) {
      const failure = await failureOf(session.scan())
      if (failure !== undefined && failure !== reportedFailure) {
        log.error('scan_failed', 'a scan failed; the next one comes', { error: failure })
      }
      reportedFailure = failure
    }
    await clock.sleep(config.syncIntervalMs, shutdown)
  }
}

async function failureOf(scan: Promise<unknown>): Promise<string | undefined> {
  try {
    await scan
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

async function summarize({ session, clock, log, shutdown }: DaemonOptions): Promise<void> {
  let last = summaryOf(session.stats)
  while (!shutdown.aborted) {
    await clock.sleep(summaryEveryMs, shutdown)
    const summary = summaryOf(session.stats)
    if (shutdown.aborted || summary === last) continue
    log.info('synced', summary + heldText(session.held()))
    last = summary
  }
}

async function keepRoom({ session, config, clock, shutdown }: DaemonOptions): Promise<void> {
  const { evictor } = session
  if (evictor === undefined) return
  while (!shutdown.aborted) {
    await evictor.look(whyGateIsShut(config) === undefined)
    await clock.sleep(roomEveryMs, shutdown)
  }
}
