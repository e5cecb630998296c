import { resolve } from 'node:path'
import { type BytePath, bytePath, showPath } from '../base/byte-path.ts'
import { exitCodes, LongshoreError } from '../base/errors.ts'
import { formatCount, formatFiles } from '../base/format.ts'
import { lockOutOtherRequeues } from '../sync/requeue/lock-roots.ts'
import type { RequeueReport } from '../sync/requeue/report.ts'
import { Requeue } from '../sync/requeue/requeue.ts'
import { type Command, type CommandContext, readArgs, usageError } from './command.ts'
import { loadDeviceConfig, warnOfNotes } from './device.ts'

export const requeueCommand: Command = {
  name: 'requeue',
  help: `Usage: longshore requeue [--config FILE] [--dry-run] [PATH...]

Brings files that were set aside (failed/) back to where they came from, so that the next scan takes
them up again: Longshore's and Viam's. Needs no daemon, and may run beside one. Nothing is overwritten:
where the name is taken, the file becomes NAME~1, NAME~2 and so on.

  PATH           a file that was set aside, or the path it had before, or a folder: all that was set
                 aside below it. Without PATH: all that was set aside below the configured roots
  --config FILE  the config file; default: $LONGSHORE_CONFIG, /etc/longshore/config.json,
                 ~/.config/longshore/config.json
  --dry-run      only say what would be moved

A name that is not UTF-8 cannot be given as PATH: give its folder.

Exit status: 0 all was brought back; 2 usage or configuration, or nothing was set aside under a PATH;
4 another requeue is running; 5 some files could not be moved: they stay in failed/.

Example: longshore requeue /data/logs/failed/boot.log
`,
  run: runRequeue,
}

async function runRequeue(context: CommandContext): Promise<number> {
  const { values, positionals } = readArgs(
    requeueCommand,
    context,
    { config: { type: 'string' }, 'dry-run': { type: 'boolean' } },
    'any',
  )
  // An unset variable in a script would otherwise mean the working directory.
  if (positionals.includes('')) throw usageError(requeueCommand, 'a PATH is empty')
  const { config, notes } = await loadDeviceConfig(context, values.config)
  warnOfNotes(context, notes)
  const { captureDir, additionalSyncPaths } = config.dataManager
  const dryRun = values['dry-run'] === true
  const lines = new RequeueLines(context, dryRun)
  const roots = [captureDir, ...additionalSyncPaths]
  const unlock = await lockOutOtherRequeues(roots)
  try {
    const requeue = new Requeue({
      roots,
      captureDir,
      dryRun,
      report: lines,
      isStopped: () => context.shutdown.aborted,
    })
    if (positionals.length === 0) await requeue.everything()
    else await requeue.named(positionals.map((path) => bytePath(resolve(path))))
  } finally {
    await unlock()
  }
  lines.summarize()
  return exitCodes.done
}

/** One line for each file, and a summary. */
class RequeueLines implements RequeueReport {
  readonly #context: CommandContext
  readonly #dryRun: boolean
  #moved = 0
  #left = 0
  #failed = 0
  #notFound = 0

  constructor(context: CommandContext, dryRun: boolean) {
    this.#context = context
    this.#dryRun = dryRun
  }

  moved(from: BytePath, to: BytePath, note: string | undefined): void {
    this.#moved += 1
    const remark = note === undefined ? '' : ` (${note})`
    const verb = this.#dryRun ? 'would move' : 'moved'
    this.#say(`${verb} ${showPath(from)} -> ${showPath(to)}${remark}`)
  }

  left(path: BytePath, why: string): void {
    this.#left += 1
    this.#say(`left ${showPath(path)}: ${why}`)
  }

  tidied(sidecar: BytePath): void {
    const verb = this.#dryRun ? 'would remove' : 'removed'
    this.#say(`${verb} ${showPath(sidecar)}: the file it tells of is not here any more`)
  }

  failed(path: BytePath, why: string): void {
    this.#failed += 1
    this.#warn(path, why)
  }

  notFound(path: BytePath, why: string): void {
    this.#notFound += 1
    this.#warn(path, why)
  }

  /** @throws LongshoreError when something stays that should not */
  summarize(): void {
    const verb = this.#dryRun ? 'would be brought back' : 'brought back'
    const parts = [`${formatFiles(this.#moved)} ${verb}`]
    if (this.#left > 0) parts.push(`${formatCount(this.#left)} left`)
    if (this.#failed > 0) parts.push(`${formatCount(this.#failed)} failed`)
    this.#say(parts.join('; '))
    if (this.#failed > 0) {
      const what = this.#failed === 1 ? '1 path' : `${formatCount(this.#failed)} paths`
      throw new LongshoreError('not_requeued', `${what} could not be brought back`, {
        hint: 'Nothing is lost. Each is named above with what is in the way; then run it again.',
      })
    }
    if (this.#notFound > 0) {
      throw new LongshoreError('not_set_aside', 'not every PATH is one that was set aside', {
        hint: 'Without PATH, longshore requeue --dry-run lists all that was.',
      })
    }
  }

  #say(text: string): void {
    this.#context.stdout.write(`${text}\n`)
  }

  #warn(path: BytePath, why: string): void {
    this.#context.stderr.write(`longshore: ${showPath(path)} ${why}\n`)
  }
}
