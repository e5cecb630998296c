import { accessSync, constants } from 'node:fs'
import { fsPath, showPath } from '../base/byte-path.ts'
import { errnoOf, exitCodes } from '../base/errors.ts'
import { formatBytes } from '../base/format.ts'
import { lookUpOpenWriters } from '../probe/open-writers.ts'
import { whyGateIsShut } from '../sync/gate.ts'
import type { RootState } from '../sync/root-guard.ts'
import type { SyncSession } from '../sync/sync-session.ts'
import { transferError } from '../sync/transfer-error.ts'
import { silentLog } from '../telemetry/log.ts'
import type { ReceiverDescription } from '../wire/worker-data.ts'
import { type Command, type CommandContext, readArgs } from './command.ts'
import { loadDeviceConfig, openSession } from './device.ts'
import { roomVerdict } from './room-verdict.ts'
import { previewLines, previewSync } from './sync-preview.ts'

export const checkCommand: Command = {
  name: 'check',
  help: `Usage: longshore check [--config FILE]

Checks the config file, the roots, the receiver and the credentials, and says what a sync would upload
and then remove. Changes nothing. One line per check: ok, note or FAIL.

  --config FILE  the config file; default: $LONGSHORE_CONFIG, /etc/longshore/config.json,
                 ~/.config/longshore/config.json

Exit status: 0 nothing failed; 3 something failed; 2 usage, or the config is not valid.

Example: longshore check --config ./device.json
`,
  run: runCheck,
}

type Verdict = 'ok' | 'note' | 'FAIL'

async function runCheck(context: CommandContext): Promise<number> {
  const { values } = readArgs(checkCommand, context, { config: { type: 'string' } })
  const loaded = await loadDeviceConfig(context, values.config)
  const { config } = loaded
  let failed = false
  const say = (verdict: Verdict, text: string) => {
    failed ||= verdict === 'FAIL'
    context.stdout.write(`${verdict.padEnd(4)}  ${text}\n`)
  }
  say('ok', `config ${loaded.path} is valid`)
  for (const { keyPath, message } of loaded.notes) say('note', `${keyPath}: ${message}`)
  const shut = whyGateIsShut(config.dataManager)
  if (shut !== undefined) say('note', `nothing is synced: ${shut}`)
  const session = openSession(context, loaded, silentLog, 'single pass')
  try {
    for (const state of await session.lookAtRoots()) say(...rootVerdict(state))
    say(...roomVerdict(config.dataManager, session.viamServerRuns))
    say(...(await writersVerdict()))
    for (const verdict of await receiverVerdicts(session, config.cloud.address)) say(...verdict)
    for (const line of previewLines(await previewSync(session))) {
      context.stdout.write(`      ${line}\n`)
    }
  } finally {
    await session.close(0)
  }
  return failed ? exitCodes.notUsable : exitCodes.done
}

function rootVerdict(state: RootState): [Verdict, string] {
  const name = showPath(state.root.configured)
  switch (state.state) {
    case 'missing':
      return ['note', `${name}: ${state.why}; it is looked for at every scan`]
    case 'ready':
      return rightsVerdict(name, fsPath(state.root.path))
    default:
      return ['FAIL', `${name}: ${state.why}`]
  }
}

function rightsVerdict(name: string, path: string | Buffer): [Verdict, string] {
  try {
    accessSync(path, constants.R_OK | constants.X_OK)
    accessSync(path, constants.W_OK)
    return ['ok', `${name}: this user may read it and remove files from it`]
  } catch (error) {
    const errno = errnoOf(error) ?? 'unknown error'
    return ['FAIL', `${name}: this user may not read it or not remove files from it (${errno})`]
  }
}

async function writersVerdict(): Promise<[Verdict, string]> {
  const { blindTo } = await lookUpOpenWriters()
  if (blindTo === 0) return ['ok', 'all processes can be seen: files still being written are left']
  const text =
    'cannot see what files other users have open for writing ' +
    `(${blindTo} processes): there only the quiet time tells that a file is complete`
  return ['note', text]
}

async function receiverVerdicts(session: SyncSession, address: URL): Promise<[Verdict, string][]> {
  const answer = await session.probe()
  if ('kind' in answer) {
    const error = transferError(answer, address.origin)
    return [['FAIL', `receiver: ${error.message}. ${error.hint}`]]
  }
  return [
    ['ok', `receiver ${address.origin} is reachable; its certificate is accepted`],
    ...describe(answer),
  ]
}

function describe(receiver: ReceiverDescription): [Verdict, string][] {
  const verdicts: [Verdict, string][] = [
    ['ok', `it is ${receiver.receiver} and knows this machine as ${receiver.machine}`],
  ]
  if (receiver.store === 'null') {
    verdicts.push(['FAIL', 'it was started with --store null: it THROWS AWAY what it gets'])
  } else {
    verdicts.push(['ok', `it has ${formatBytes(receiver.freeBytes)} free`])
  }
  return verdicts
}
