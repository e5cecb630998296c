import { exitCodes, LongshoreError } from '../base/errors.ts'
import { formatBytes, formatCount, formatFiles } from '../base/format.ts'
import { whyGateIsShut } from '../sync/gate.ts'
import type { SyncSession } from '../sync/sync-session.ts'
import { transferError } from '../sync/transfer-error.ts'
import { textLog } from '../telemetry/log.ts'
import { ProgressView } from '../telemetry/progress-view.ts'
import { type Command, type CommandContext, readArgs, usageError } from './command.ts'
import { loadDeviceConfig, openSession, warnOfNotes } from './device.ts'
import { progressLines } from './progress-lines.ts'
import { previewLines, previewSync } from './sync-preview.ts'

export const syncCommand: Command = {
  name: 'sync',
  help: `Usage: longshore sync [--config FILE] [--dry-run] [--json] [--force]

Makes one pass over all roots: uploads every file that is ready and, when the receiver has it durable
and verified, removes it here.

  --config FILE  the config file; default: $LONGSHORE_CONFIG, /etc/longshore/config.json,
                 ~/.config/longshore/config.json
  --dry-run      only say what would be uploaded and then removed
  --json         print the result as one JSON object
  --force        also while sync_disabled is set, or a trigger holds uploads back

Exit status: 0 all that was ready is at the receiver; 5 something must be tried again; 6 files were
rejected or quarantined; 2 usage or configuration; 4 another Longshore works on a root.

Example: longshore sync --config ./device.json --dry-run
`,
  run: runSync,
}

async function runSync(context: CommandContext): Promise<number> {
  const { values } = readArgs(syncCommand, context, {
    config: { type: 'string' },
    'dry-run': { type: 'boolean' },
    json: { type: 'boolean' },
    force: { type: 'boolean' },
  })
  if (values['dry-run'] === true && values.json === true) {
    throw usageError(syncCommand, '--dry-run has no --json: leave one of them out')
  }
  const loaded = await loadDeviceConfig(context, values.config)
  warnOfNotes(context, loaded.notes)
  const shut = whyGateIsShut(loaded.config.dataManager)
  if (shut !== undefined && values.force !== true && values['dry-run'] !== true) {
    throw new LongshoreError('paused', `nothing is synced: ${shut}`, {
      hint: 'To sync once all the same: longshore sync --force',
    })
  }
  const view = new ProgressView(context.stderr, () => progressLines(session, loaded.config))
  const session = openSession(
    context,
    loaded,
    textLog((line) => view.print(line)),
    'single pass',
  )
  try {
    if (values['dry-run'] === true) return await dryRun(context, session)
    return await onePass(context, session, view, values.json === true, loaded.config.cloud.address)
  } finally {
    await session.close(0)
  }
}

async function dryRun({ stdout }: CommandContext, session: SyncSession): Promise<number> {
  for (const line of previewLines(await previewSync(session))) stdout.write(`${line}\n`)
  return exitCodes.done
}

async function onePass(
  { stdout, shutdown }: CommandContext,
  session: SyncSession,
  view: ProgressView,
  asJson: boolean,
  address: URL,
): Promise<number> {
  const startedAtMs = performance.now()
  const heldRoots = (await session.lookAtRoots()).filter(({ state }) => state !== 'ready')
  const inUse = heldRoots.find(({ state }) => state === 'in_use')
  if (inUse !== undefined && inUse.state !== 'ready') {
    throw new LongshoreError('root_in_use', inUse.why, { hint: 'Stop that one, or let it do it.' })
  }
  const stop = () => session.uploader.halt()
  shutdown.addEventListener('abort', stop)
  view.start()
  const { notReady } = await session.scan()
  await session.uploader.whenIdle()
  view.stop()
  const { stats, uploader } = session
  const mustTryAgain =
    stats.retried > 0 ||
    uploader.gaveUp ||
    uploader.taken > 0 ||
    heldRoots.some(({ state }) => state !== 'missing')
  const result = {
    stored: stats.stored,
    already_stored: stats.alreadyStored,
    rejected: stats.rejected,
    quarantined: stats.quarantined,
    retry: stats.retried + uploader.taken,
    skipped: [...notReady.values()].reduce((sum, count) => sum + count, 0),
    bytes: stats.bytes,
    seconds: Math.round(performance.now() - startedAtMs) / 1000,
  }
  stdout.write(asJson ? `${JSON.stringify(result)}\n` : summaryText(result))
  if (uploader.gaveUp) throw transferError(uploader.linkFailure!, address.origin)
  if (mustTryAgain) return exitCodes.tryAgain
  return stats.rejected + stats.quarantined > 0 ? exitCodes.rejected : exitCodes.done
}

function summaryText(result: {
  readonly stored: number
  readonly already_stored: number
  readonly rejected: number
  readonly quarantined: number
  readonly retry: number
  readonly skipped: number
  readonly bytes: number
  readonly seconds: number
}): string {
  const { stored, seconds, bytes } = result
  const done = stored + result.already_stored
  const rate = seconds > 0 ? ` (${formatBytes(bytes / seconds)}/s)` : ''
  const parts = [`${formatFiles(done)}, ${formatBytes(bytes)} in ${seconds.toFixed(1)} s${rate}`]
  if (result.already_stored > 0) parts.push(`${formatCount(result.already_stored)} already stored`)
  if (result.rejected > 0) parts.push(`${formatCount(result.rejected)} rejected`)
  if (result.quarantined > 0) parts.push(`${formatCount(result.quarantined)} quarantined`)
  if (result.retry > 0) parts.push(`${formatCount(result.retry)} to be tried again`)
  if (result.skipped > 0) parts.push(`${formatCount(result.skipped)} not ready`)
  return `${parts.join('; ')}\n`
}
