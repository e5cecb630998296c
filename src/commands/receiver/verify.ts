import { resolve } from 'node:path'
import { bytePath, showPath } from '../../base/byte-path.ts'
import { systemClock } from '../../base/clock.ts'
import { exitCodes, LongshoreError } from '../../base/errors.ts'
import { formatBytes, formatCount, formatFiles } from '../../base/format.ts'
import { openDataFolder } from '../../receiver/identity/data-folder.ts'
import { FolderSegmentStore } from '../../receiver/store/folder-segment-store.ts'
import { CatalogReader } from '../../receiver/upkeep/catalog-reader.ts'
import { readKnownDamage } from '../../receiver/upkeep/known-damage.ts'
import { RateLimit } from '../../receiver/upkeep/rate-limit.ts'
import { segmentReader } from '../../receiver/upkeep/segment-reader.ts'
import { readVerifyState, writeVerifyState } from '../../receiver/upkeep/verify-state.ts'
import { type Finding, type Tally, verifyStored } from '../../receiver/upkeep/verify-stored.ts'
import { ProgressView } from '../../telemetry/progress-view.ts'
import { type Command, type CommandContext, readArgs, usageError } from '../command.ts'

export const receiverVerifyCommand: Command = {
  name: 'receiver verify',
  help: `Usage: longshore receiver verify [--data DIR] [--rate MB] [--state FILE [--for TIME]]

Reads everything that is stored again, compares it with the hashes it arrived with, and the catalog with
what is there. Only reads; works while the receiver runs. Names each damaged file on stderr, with its
machine, its segment and the byte where it starts.

  --data DIR    the receiver's data folder; default ./longshore-data
  --rate MB     read at most so many MB a second; default 50, 0 for as fast as it goes
  --state FILE  note there how far it got, and go on from there the next time
  --for TIME    end after so long, such as 90s, 30m or 2h, with the segment that is under way

Exit status: 0 all that was read is whole; 3 something is damaged; 5 a signal ended it before it was
through: with --state it goes on there.

Example: longshore receiver verify --data /srv/longshore --state /var/lib/longshore-verify --for 30m
`,
  run: runVerify,
}

/** Between two notes of how far it got. */
const saveEveryMs = 10_000

async function runVerify(context: CommandContext): Promise<number> {
  const { values } = readArgs(receiverVerifyCommand, context, {
    data: { type: 'string', default: './longshore-data' },
    rate: { type: 'string', default: '50' },
    state: { type: 'string' },
    for: { type: 'string' },
  })
  const bytesPerSecond = parseRate(values.rate)
  const limitMs = values.for === undefined ? Number.POSITIVE_INFINITY : parseTime(values.for)
  if (values.for !== undefined && values.state === undefined) {
    throw usageError(receiverVerifyCommand, '--for needs --state, or it begins anew each time')
  }
  const dataFolder = await openDataFolder(values.data, { store: 'folder', create: false })
  const { path, createdAt } = dataFolder
  const state = values.state === undefined ? undefined : resolve(values.state)
  const fromSegment = state === undefined ? 1 : await readVerifyState(state, createdAt)
  const isKnown = await readKnownDamage(path)
  const catalog = CatalogReader.open(dataFolder.catalogFile)
  const segments = await FolderSegmentStore.open(dataFolder.segmentsFolder)
  const { shutdown, stderr } = context
  const clock = systemClock
  const startMs = clock.monotonicMs()
  const tally: Tally = { segments: 0, files: 0, bytes: 0, damages: 0 }
  let [readBytes, ofBytes] = [0, 0]
  const view = new ProgressView(stderr, () => [
    `verifying: ${formatBytes(Math.min(readBytes, ofBytes))} of ${formatBytes(ofBytes)}`,
  ])
  let nextSegment = fromSegment
  let savedMs = startMs
  const save = async () => {
    savedMs = clock.monotonicMs()
    if (state !== undefined) await writeVerifyState(state, createdAt, nextSegment)
  }
  try {
    catalog.check()
    ofBytes = catalog.bytesFrom(fromSegment)
    const rate = new RateLimit(bytesPerSecond, clock, shutdown)
    view.start()
    const isThrough = await verifyStored({
      catalog,
      read: segmentReader(segments, shutdown, (sizeBytes) => {
        readBytes += sizeBytes
        return rate.take(sizeBytes)
      }),
      fromSegment,
      isKnown,
      onFinding: (finding) => view.print(`longshore: ${findingText(finding)}\n`),
      onSegment: async (segmentId) => {
        nextSegment = segmentId + 1
        if (clock.monotonicMs() - savedMs >= saveEveryMs) await save()
        return clock.monotonicMs() - startMs >= limitMs
      },
      tally,
    })
    // The next time begins with the first segment again.
    if (isThrough) nextSegment = 1
    await save()
    view.stop()
    const rest = isThrough ? '' : `; the next time goes on with segment ${nextSegment}`
    context.stdout.write(`${summary(tally)}${rest}\n`)
  } catch (error) {
    view.stop()
    if (!(error instanceof LongshoreError && error.code === 'stopped')) throw error
    await save()
    context.stdout.write(`${summary(tally)}\n`)
    if (tally.damages === 0) throw stoppedAt(nextSegment, values.state)
  } finally {
    view.stop()
    await segments.close()
    catalog.close()
  }
  if (tally.damages === 0) return exitCodes.done
  throw new LongshoreError('data_damaged', `${formatCount(tally.damages)} damages were found`, {
    hint: 'They are named above. docs/operations.md says what to do.',
  })
}

function findingText(finding: Finding): string {
  switch (finding.kind) {
    case 'file': {
      const { machine, path, segmentId, offset } = finding.file
      const where = `segment ${segmentId}, byte ${offset}`
      return `damaged: ${showPath(bytePath(machine))}: ${showPath(path)} (${where})`
    }
    case 'place': {
      const { segmentId, fromByte } = finding.place
      const what = `the record in segment ${segmentId} at byte ${fromByte} cannot be read whole`
      return finding.isKnown ? `note: ${what}, as the last rebuild found` : `damaged: ${what}`
    }
    case 'unlisted': {
      const { segmentId, fromByte } = finding.place
      const where = `segment ${segmentId}, byte ${fromByte}`
      return `not in the catalog: ${showPath(bytePath(finding.machine))}: ${showPath(finding.path)} (${where})`
    }
    default:
      return finding satisfies never
  }
}

function summary({ segments, files, bytes, damages }: Tally): string {
  const found = damages === 0 ? 'nothing damaged' : `${formatCount(damages)} damages`
  return `verified ${formatFiles(files)}, ${formatBytes(bytes)} in ${formatCount(segments)} segments: ${found}`
}

function stoppedAt(nextSegment: number, state: string | undefined): LongshoreError {
  return new LongshoreError('stopped', `stopped by a signal before segment ${nextSegment}`, {
    hint:
      state === undefined
        ? 'The next time begins anew; with --state FILE it would go on there.'
        : 'The same command goes on there.',
  })
}

function parseRate(text: string): number {
  const rate = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || rate > 1e6) {
    const found = JSON.stringify(text)
    throw usageError(receiverVerifyCommand, `--rate: expected MB a second, found ${found}`)
  }
  return rate === 0 ? Number.POSITIVE_INFINITY : rate * 1e6
}

const unitsMs = { s: 1000, m: 60_000, h: 3_600_000 } as const

function parseTime(text: string): number {
  const match = /^(\d{1,6})([smh])$/.exec(text)
  if (match !== null) return Number(match[1]) * unitsMs[match[2] as keyof typeof unitsMs]
  throw usageError(
    receiverVerifyCommand,
    `--for: expected a time such as 30m, found ${JSON.stringify(text)}`,
  )
}
