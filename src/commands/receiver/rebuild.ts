import { bytePath, showPath } from '../../base/byte-path.ts'
import { exitCodes, LongshoreError } from '../../base/errors.ts'
import { formatBytes, formatCount, formatFiles } from '../../base/format.ts'
import { openDataFolder } from '../../receiver/identity/data-folder.ts'
import { DataFolderLock } from '../../receiver/identity/data-folder-lock.ts'
import { onDataFolder } from '../../receiver/identity/folder-errors.ts'
import { type RebuildReport, rebuildCatalog } from '../../receiver/upkeep/rebuild-catalog.ts'
import { ProgressView, progressBar } from '../../telemetry/progress-view.ts'
import { type Command, type CommandContext, readArgs } from '../command.ts'

export const receiverRebuildCommand: Command = {
  name: 'receiver rebuild',
  help: `Usage: longshore receiver rebuild [--data DIR]

Makes the catalog anew from the segments, with the receiver stopped. The old catalog stays in force until
the new one is complete, and is kept beside it then. Segments are only read. Files that are damaged are
named on stderr and are not in the new catalog: a machine that still has such a file and offers it again
has it stored again.

  --data DIR    the receiver's data folder; default ./longshore-data

Exit status: 0 everything is in the new catalog; 3 something stored is damaged, and the rest is in it; 5 a
signal ended it, and the old catalog is in force.

Example: longshore receiver rebuild --data /srv/longshore
`,
  run: runRebuild,
}

async function runRebuild(context: CommandContext): Promise<number> {
  const { values } = readArgs(receiverRebuildCommand, context, {
    data: { type: 'string', default: './longshore-data' },
  })
  const { stderr, stdout, shutdown } = context
  const dataFolder = await openDataFolder(values.data, { store: 'folder', create: false })
  const lock = DataFolderLock.take(dataFolder.path)
  let [readBytes, ofBytes] = [0, 0]
  const view = new ProgressView(stderr, () => {
    const share = ofBytes === 0 ? 0 : readBytes / ofBytes
    return [`${progressBar(share, 20)} ${formatBytes(readBytes)} of ${formatBytes(ofBytes)}`]
  })
  const note = (line: string) => view.print(`longshore: ${line}\n`)
  view.start()
  try {
    const report = await onDataFolder(dataFolder.path, () =>
      rebuildCatalog({
        dataFolder,
        signal: shutdown,
        onProgress: (read, of) => {
          readBytes = read
          ofBytes = of
        },
        onLost: ({ machine, path, segmentId, offset }) => {
          const where = `segment ${segmentId}, byte ${offset}`
          note(`lost: ${showPath(bytePath(machine))}: ${showPath(path)} (${where})`)
        },
      }),
    )
    for (const { segmentId, fromByte } of report.damaged) {
      note(`damaged: segment ${segmentId} from byte ${fromByte}`)
    }
    view.stop()
    stdout.write(reportText(report))
    if (report.damaged.length === 0 && report.lost === 0) return exitCodes.done
    throw new LongshoreError('data_damaged', damageText(report), {
      hint: 'docs/operations.md says what can be got back from a backup.',
    })
  } finally {
    view.stop()
    lock.release()
  }
}

function reportText(report: RebuildReport): string {
  const { segments, messages, files, keptAs, comparedWithOld, carriedOver } = report
  const lines = [
    `rebuilt the catalog: ${formatFiles(files)} of ${formatCount(messages)} messages in ${formatCount(segments)} segments`,
  ]
  if (carriedOver > 0) {
    lines.push(`${formatFiles(carriedOver)} of damaged records are whole and were kept`)
  }
  if (comparedWithOld === 'part') lines.push('the old catalog could be read only in part')
  if (comparedWithOld === 'nothing') lines.push('there was no old catalog to compare with')
  if (keptAs !== undefined) lines.push(`the old one is kept as ${keptAs}`)
  return `${lines.join('\n')}\n`
}

function damageText({ damaged, lost, comparedWithOld }: RebuildReport): string {
  const places = `${formatCount(damaged.length)} damaged places`
  const unknown = 'which files were there is not known'
  return comparedWithOld === 'nothing'
    ? `${places}; ${unknown} without the old catalog`
    : `${places}; ${formatFiles(lost)} of the old catalog lost`
}
