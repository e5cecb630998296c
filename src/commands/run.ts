import { systemClock } from '../base/clock.ts'
import { exitCodes, LongshoreError } from '../base/errors.ts'
import { formatBytes, formatFiles } from '../base/format.ts'
import { runDaemon } from '../sync/daemon.ts'
import { jsonLog, textLog } from '../telemetry/log.ts'
import { ProgressView } from '../telemetry/progress-view.ts'
import { type Command, type CommandContext, readArgs } from './command.ts'
import { loadDeviceConfig, openSession, warnOfNotes } from './device.ts'
import { progressLines } from './progress-lines.ts'

export const runCommand: Command = {
  name: 'run',
  help: `Usage: longshore run [--config FILE]

Looks for ready files every sync_interval_mins, uploads them and, when the receiver has them durable
and verified, removes them here. Goes on until SIGTERM or SIGINT, which let uploads under way finish.
Logs JSON lines to stdout, or shows its progress when stdout is a terminal.

  --config FILE  the config file; default: $LONGSHORE_CONFIG, /etc/longshore/config.json,
                 ~/.config/longshore/config.json

Exit status: 0 after a signal; 2 usage or configuration; 4 another Longshore works on a root.

Example: longshore run --config /etc/longshore/config.json
`,
  run: runRun,
}

/** How long uploads under way may go on after a signal. */
const drainMs = 10_000

async function runRun(context: CommandContext): Promise<number> {
  const { values } = readArgs(runCommand, context, { config: { type: 'string' } })
  const loaded = await loadDeviceConfig(context, values.config)
  const { stdout, shutdown } = context
  const view = new ProgressView(stdout, () => progressLines(session, loaded.config))
  const write = (line: string) => view.print(line)
  const log = stdout.isTTY === true ? textLog(write) : jsonLog(write)
  if (stdout.isTTY === true) warnOfNotes(context, loaded.notes)
  for (const { keyPath, message } of loaded.notes) {
    if (stdout.isTTY !== true) log.warn('config_note', message, { key: keyPath })
  }
  const session = openSession(context, loaded, log, 'daemon')
  try {
    const inUse = (await session.lookAtRoots()).find(({ state }) => state === 'in_use')
    if (inUse !== undefined && inUse.state !== 'ready') {
      throw new LongshoreError('root_in_use', inUse.why, { hint: 'Stop that one first.' })
    }
    log.info('started', `syncs to ${loaded.config.cloud.address.origin}`, { config: loaded.path })
    view.start()
    await runDaemon({
      session,
      config: loaded.config.dataManager,
      clock: systemClock,
      log,
      shutdown,
    })
  } finally {
    await session.close(drainMs)
    view.stop()
  }
  const { stored, alreadyStored, bytes } = session.stats
  log.info('stopped', `sent ${formatFiles(stored + alreadyStored)}, ${formatBytes(bytes)}`)
  return exitCodes.done
}
