import { randomUUID } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { FaultyLink } from '../test/support/faulty-link.ts'
import { Background } from './support/background.ts'
import { type Contender, compare, type Ratio, ratioOf, type Series } from './support/compare.ts'
import { timedJob } from './support/job.ts'
import {
  copyToDevice,
  type LargeFile,
  makeLargeFile,
  requireFreeSpace,
} from './support/large-device-file.ts'
import type { BenchContext, Findings, Question } from './support/question.ts'
import { Receiver, timedSync } from './support/receiver.ts'
import { speedTable, spreadText, usageTable } from './support/report.ts'
import { warmPages, writeOut } from './support/settle-disk.ts'
import type { TempFolder } from './support/temp-folder.ts'

/**
 * How fast does one large file get off the device? Durable at the receiver, next to a copy on the same
 * disk; and thrown away there, next to the same bytes over bare node:http2.
 */
export const largeFile: Question = {
  name: 'large-file',
  asks: 'one file of 1 GiB: durable next to cp and sync, thrown away next to bare node:http2',
  run,
}

/** We may take this much longer than the baseline. */
const budgetRatio = 1.1

const names = {
  durable: 'longshore',
  copy: 'cp, sync FILE',
  discarding: 'longshore, --store null',
  bare: 'bare node:http2',
} as const

async function run(context: BenchContext): Promise<Findings> {
  const sizeBytes = context.quick ? 64 * 2 ** 20 : 2 ** 30
  const { temp, longshore } = context
  // The master, a copy on the device, a copy of cp's, and one at the receiver for each round.
  requireFreeSpace(temp, sizeBytes * (context.rounds + 7) * 1.1)
  const file = makeLargeFile(temp.file('master.bin'), sizeBytes)
  const [durableData, nullData] = [temp.folder('receiver'), temp.folder('null-receiver')]
  await using durable = await Receiver.start({
    longshore,
    dataFolder: durableData,
    store: 'folder',
  })
  await using discarding = await Receiver.start({ longshore, dataFolder: nullData, store: 'null' })
  const sink = await Background.start(
    process.execPath,
    [join(context.bareHttp2, 'sink.js'), durable.tls.serverFile],
    /listening on (\d+)/,
  )
  await using sinkServer = sink.server
  const bareUrl = `https://127.0.0.1:${sink.ready[1]}`
  const ours = new LargeFileRounds(context, file)
  const sender = join(context.bareHttp2, 'sender.js')
  const contenders: Contender[] = [
    { name: names.durable, run: () => ours.run(durable) },
    { name: names.copy, run: () => copyRound(context, file) },
    { name: names.discarding, run: () => ours.run(discarding) },
    {
      name: names.bare,
      run: async () => {
        settle(temp, sizeBytes)
        const args = [sender, bareUrl, durable.tls.caFile, file.path]
        const servers = { sink: [sinkServer.pid] }
        return (await timedJob({ command: process.execPath, args, role: 'sender', servers })).round
      },
    },
  ]
  const series = await compare(contenders, context)
  await using link = await FaultyLink.open(discarding.port)
  await ours.run(discarding, { port: link.port })
  if (context.profileDir !== undefined) await profile(context, ours, context.profileDir)
  return findings(sizeBytes, series, (link.upBytes + link.downBytes) / sizeBytes)
}

function findings(sizeBytes: number, series: readonly Series[], bytesPerByte: number): Findings {
  const [durable, copy, discarding, bare] = series as [Series, Series, Series, Series]
  const ratios: Record<string, Ratio> = {
    [names.durable]: ratioOf(durable, copy),
    [names.discarding]: ratioOf(discarding, bare),
  }
  const amount = { count: sizeBytes / 1e6, unit: 'MB' }
  const [durableText, discardingText] = Object.values(ratios).map((ratio) => spreadText(ratio, 2))
  return {
    data: {
      size_bytes: sizeBytes,
      series,
      times_the_seconds_of_baseline: ratios,
      budget_ratio: budgetRatio,
      wire_bytes_per_byte: bytesPerByte,
    },
    tables: [
      speedTable(`One file of ${sizeBytes / 2 ** 20} MiB`, series, amount),
      usageTable('What the processes used, medians', series),
    ],
    notes: [
      `durable: ${durableText} times the seconds of cp and sync, pair by pair; budget ${budgetRatio}`,
      `thrown away: ${discardingText} times the seconds of bare node:http2; budget ${budgetRatio}`,
      `bytes on the wire per byte of payload: ${bytesPerByte.toFixed(4)}`,
      'cp does not hash, and removes nothing; bare node:http2 neither hashes nor frames',
    ],
  }
}

/** Our rounds: each with a fresh copy, and a machine of its own. */
class LargeFileRounds {
  readonly #context: BenchContext
  readonly #file: LargeFile

  constructor(context: BenchContext, file: LargeFile) {
    this.#context = context
    this.#file = file
  }

  /** @throws Error unless the file is at the receiver, with its hash, and gone from the device. */
  async run(receiver: Receiver, more: { port?: number; profileDir?: string } = {}) {
    const { temp } = this.#context
    const id = `machine-${randomUUID()}`
    const configFile = temp.file(`${id}.json`)
    const logDir = temp.folder('device/logs')
    const captureDir = temp.folder('device/capture')
    const path = copyToDevice(this.#file, logDir)
    const { port } = more
    await receiver.addMachine({ id, configFile, captureDir, additionalSyncPaths: [logDir], port })
    settle(temp, this.#file.sizeBytes)
    const { profileDir } = more
    const round = await timedSync(receiver, { configFile, files: 1, profileDir })
    if (existsSync(path)) throw new Error(`${path} is still there`)
    if (receiver.keepsFiles) {
      const listed = await receiver.files(id)
      if (listed.length !== 1 || listed[0]!.blake3 !== this.#file.digest) {
        throw new Error(`the receiver does not have ${path} as it was`)
      }
    }
    return round
  }
}

function settle(temp: TempFolder, sizeBytes: number): void {
  writeOut(temp)
  warmPages(temp, 1.25 * sizeBytes)
}

async function copyRound({ temp }: BenchContext, file: LargeFile) {
  const target = temp.file('copy.bin')
  rmSync(target, { force: true })
  settle(temp, file.sizeBytes)
  const { round } = await timedJob({
    command: 'sh',
    // Never a reflink: that would copy nothing.
    args: ['-c', 'cp --reflink=never "$1" "$2" && sync "$2"', 'sh', file.path, target],
    role: 'cp, sync',
  })
  return round
}

/** Two more rounds, untimed, with receivers of their own. */
async function profile(
  context: BenchContext,
  rounds: LargeFileRounds,
  profileDir: string,
): Promise<void> {
  for (const store of ['folder', 'null'] as const) {
    const dataFolder = context.temp.folder(`profiled-${store}`)
    await using receiver = await Receiver.start({ ...context, dataFolder, store, profileDir })
    await rounds.run(receiver, { profileDir })
  }
}
