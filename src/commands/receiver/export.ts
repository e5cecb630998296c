import { resolve } from 'node:path'
import { bytePath } from '../../base/byte-path.ts'
import { exitCodes, LongshoreError } from '../../base/errors.ts'
import { formatBytes, formatCount, formatFiles } from '../../base/format.ts'
import { overlaps, realPath } from '../../base/real-path.ts'
import { exportFiles } from '../../receiver/export/export-files.ts'
import { openDataFolder } from '../../receiver/identity/data-folder.ts'
import { FolderSegmentStore } from '../../receiver/store/folder-segment-store.ts'
import { SqliteCatalog } from '../../receiver/store/sqlite-catalog.ts'
import { type Command, type CommandContext, readArgs, usageError } from '../command.ts'

export const receiverExportCommand: Command = {
  name: 'receiver export',
  help: `Usage: longshore receiver export --to OUT [--data DIR] [--machine ID]

Writes every file to OUT/<machine>/<path on the machine>, with its time of last change; hashes are
verified on the way. The newest version of a path has its own name, older ones
name~<mtime>-<8 hex digits of the hash>. Files that are there already and equal are left; others are
never overwritten. Works while the receiver runs.

  --to OUT      the folder to write to; made if it is missing
  --data DIR    the receiver's data folder; default ./longshore-data
  --machine ID  only of this machine

Exit status: 0 everything is there; 3 something stored is damaged, which is named.

Example: longshore receiver export --data /srv/longshore --to ./export --machine robot-7
`,
  run: runExport,
}

async function runExport(context: CommandContext): Promise<number> {
  const { values } = readArgs(receiverExportCommand, context, {
    data: { type: 'string', default: './longshore-data' },
    to: { type: 'string' },
    machine: { type: 'string' },
  })
  if (values.to === undefined) throw usageError(receiverExportCommand, '--to is missing')
  const dataFolder = await openDataFolder(values.data, { store: 'folder', create: false })
  if (overlaps(realPath(bytePath(dataFolder.path)), realPath(bytePath(resolve(values.to))))) {
    throw usageError(receiverExportCommand, "--to must not overlap with the receiver's data folder")
  }
  const catalog = SqliteCatalog.open(dataFolder.catalogFile, { readOnly: true })
  const segments = await FolderSegmentStore.open(dataFolder.segmentsFolder)
  try {
    const report = await exportFiles({
      files: () => catalog.files(values.machine),
      segments,
      to: values.to,
      onRenamed: (from, to) =>
        context.stderr.write(`longshore: note: ${from} is written as ${to}\n`),
      onDamaged: (what) => context.stderr.write(`longshore: damaged: ${what}\n`),
    })
    const { written, bytes, alreadyThere, damaged } = report
    const parts = [`wrote ${formatFiles(written)}, ${formatBytes(bytes)}`]
    if (alreadyThere > 0) parts.push(`${formatCount(alreadyThere)} were there already`)
    context.stdout.write(`${parts.join('; ')}\n`)
    if (damaged === 0) return exitCodes.done
    throw new LongshoreError(
      'data_damaged',
      `${formatFiles(damaged)} could not be read back whole`,
      {
        hint: 'The names are above. docs/operations.md says what to do about damage.',
      },
    )
  } finally {
    await segments.close()
    await catalog.close()
  }
}
