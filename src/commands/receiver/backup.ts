import { exitCodes, LongshoreError, messageOf } from '../../base/errors.ts'
import { formatBytes, formatCount, formatFiles } from '../../base/format.ts'
import { openDataFolder } from '../../receiver/identity/data-folder.ts'
import { isSystemError, shown } from '../../receiver/identity/folder-errors.ts'
import { type BackUpOptions, backUp } from '../../receiver/upkeep/back-up.ts'
import { ProgressView } from '../../telemetry/progress-view.ts'
import { type Command, type CommandContext, readArgs, usageError } from '../command.ts'

export const receiverBackupCommand: Command = {
  name: 'receiver backup',
  help: `Usage: longshore receiver backup --to DIR [--data DIR]

Makes DIR a copy of the data folder as it is at one moment, while the receiver runs or not: everything
that was stored before, the machines, and the CA with its key. The copy is a data folder: to restore,
start a receiver on it, or on a copy of it. A second backup to the same DIR copies only what is new, and
never overwrites what is there.

  --to DIR    missing, empty, or an earlier backup of the same data folder
  --data DIR  the receiver's data folder; default ./longshore-data

Exit status: 0 the backup is complete; 3 a segment is shorter than the catalog says, and what there is of
it was copied; 5 a signal ended it: the earlier backup is as it was.

Example: longshore receiver backup --data /srv/longshore --to /mnt/backup/longshore
`,
  run: runBackup,
}

async function runBackup(context: CommandContext): Promise<number> {
  const { values } = readArgs(receiverBackupCommand, context, {
    data: { type: 'string', default: './longshore-data' },
    to: { type: 'string' },
  })
  const { to } = values
  if (to === undefined) throw usageError(receiverBackupCommand, '--to is missing')
  const dataFolder = await openDataFolder(values.data, { store: 'folder', create: false })
  let copied = 0
  const view = new ProgressView(context.stderr, () => [`copied ${formatBytes(copied)}`])
  view.start()
  try {
    const report = await backUpTo(to, {
      dataFolder,
      signal: context.shutdown,
      onProgress: (copiedBytes) => {
        copied = copiedBytes
      },
      onDamaged: (segmentId) =>
        view.print(`longshore: damaged: segment ${segmentId} is shorter than the catalog says\n`),
    })
    view.stop()
    const { segments, files, copiedBytes, damagedSegments } = report
    context.stdout.write(
      `backed up ${formatFiles(files)} in ${formatCount(segments)} segments; ${formatBytes(copiedBytes)} were new\n`,
    )
    if (damagedSegments === 0) return exitCodes.done
    const what = `${formatCount(damagedSegments)} segments could not be copied whole`
    throw new LongshoreError('data_damaged', what, {
      hint: 'They are named above; longshore receiver verify names the files.',
    })
  } finally {
    view.stop()
  }
}

async function backUpTo(to: string, options: Omit<BackUpOptions, 'to'>) {
  try {
    return await backUp({ ...options, to })
  } catch (error) {
    if (!isSystemError(error)) throw error
    throw new LongshoreError('usage', `cannot back up to ${shown(to)}: ${messageOf(error)}`, {
      hint: 'Check the rights and the free space there, and run it again: what was copied stays.',
      cause: error,
    })
  }
}
