import { isUtf8 } from 'node:buffer'
import { pathBytes, showPath } from '../../base/byte-path.ts'
import { exitCodes } from '../../base/errors.ts'
import { openDataFolder } from '../../receiver/identity/data-folder.ts'
import type { StoredFile } from '../../receiver/store/catalog.ts'
import { SqliteCatalog } from '../../receiver/store/sqlite-catalog.ts'
import { type Command, readArgs } from '../command.ts'
import { writeAll } from './write-all.ts'

export const receiverLsCommand: Command = {
  name: 'receiver ls',
  help: `Usage: longshore receiver ls [--data DIR] [--machine ID] [--json]

Lists every stored version of every file: when it was last changed on the machine, its size, machine
and path. Works while the receiver runs.

  --data DIR    the receiver's data folder; default ./longshore-data
  --machine ID  only of this machine
  --json        one JSON object a line: machine, path, size, mtime, blake3, received_at and more.
                A path that is not UTF-8 has its bytes in path_base64

Example: longshore receiver ls --data /srv/longshore --machine robot-7 --json
`,
  run: async (context) => {
    const { values } = readArgs(receiverLsCommand, context, {
      data: { type: 'string', default: './longshore-data' },
      machine: { type: 'string' },
      json: { type: 'boolean' },
    })
    const { catalogFile } = await openDataFolder(values.data, { store: 'folder', create: false })
    const catalog = SqliteCatalog.open(catalogFile, { readOnly: true })
    try {
      const line = values.json === true ? jsonLine : textLine
      await writeAll(context.stdout, linesOf(catalog.files(values.machine), line))
    } finally {
      await catalog.close()
    }
    return exitCodes.done
  },
}

function* linesOf(
  files: Iterable<StoredFile>,
  line: (file: StoredFile) => string,
): Iterable<string> {
  for (const file of files) yield `${line(file)}\n`
}

function textLine({ machine, path, sizeBytes, mtimeNs }: StoredFile): string {
  const mtime = isoTime(mtimeNs).slice(0, 19).replace('T', ' ')
  return `${mtime}  ${String(sizeBytes).padStart(12)}  ${machine}  ${showPath(path)}`
}

function jsonLine(file: StoredFile): string {
  const { labels } = file
  const bytes = pathBytes(file.path)
  return JSON.stringify({
    machine: file.machine,
    path: bytes.toString('utf8'),
    ...(!isUtf8(bytes) && { path_base64: bytes.toString('base64') }),
    size: file.sizeBytes,
    mtime: isoTime(file.mtimeNs),
    mtime_ns: String(file.mtimeNs),
    blake3: file.digest,
    received_at: new Date(file.receivedAtMs).toISOString(),
    content_type: labels.contentType,
    tags: labels.tags,
    dataset_ids: labels.datasetIds,
    ...(labels.capture !== null && {
      component_type: labels.capture.componentType,
      component_name: labels.capture.componentName,
      method_name: labels.capture.methodName,
    }),
  })
}

/** ISO 8601 in UTC to the nanosecond, also for years that Date does not know. */
function isoTime(ns: bigint): string {
  const ms = ns / 1_000_000n - (ns % 1_000_000n < 0n ? 1n : 0n)
  const restNs = ns - ms * 1_000_000n
  const date = new Date(Number(ms))
  if (Number.isNaN(date.getTime())) return `${ns}ns`
  return date.toISOString().replace('Z', `${String(restNs).padStart(6, '0')}Z`)
}
