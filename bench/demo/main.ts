import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { BytePath } from '../../src/base/byte-path.ts'
import { systemClock } from '../../src/base/clock.ts'
import { formatBytes, formatCount } from '../../src/base/format.ts'
import { loadDeviceConfig, openSession } from '../../src/commands/device.ts'
import { progressLines } from '../../src/commands/progress-lines.ts'
import { runDaemon } from '../../src/sync/daemon.ts'
import type { SyncStats } from '../../src/sync/sync-stats.ts'
import { textLog } from '../../src/telemetry/log.ts'
import { ProgressView } from '../../src/telemetry/progress-view.ts'
import { startReceiverProcess, writeMachineConfig } from '../../test/support/longshore-process.ts'
import { type Audit, audit, exists } from './audit.ts'
import { copyFolder, type Produced, type Production, produce } from './produced.ts'

/*
 * npm run demo [-- DIR]: a receiver, a robot that captures, and the daemon between them, for real,
 * over TLS. With DIR, a copy of that folder is what is synced.
 */
const usage = `Usage: npm run demo [-- DIR] [-- --seconds N]

  DIR          sync a copy of this folder, instead of what a made-up robot captures
  --seconds N  how long the robot captures; default 10
`

const machine = 'demo-robot'
/** Without a terminal, how often a line says how it goes. */
const lineEveryMs = 2000
const pollMs = 100
/** Nothing arrives any more: something is wrong. */
const stuckAfterMs = 60_000

interface Places {
  readonly top: string
  readonly captureDir: string
  readonly logDir: string
  readonly dataDir: string
  readonly exportDir: string
  readonly configFile: string
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: 'string', default: '10' }, help: { type: 'boolean' } },
    allowPositionals: true,
  })
  if (values.help === true || positionals.length > 1 || !(Number(values.seconds) > 0)) {
    process.stderr.write(usage)
    return values.help === true ? 0 : 2
  }
  const top = await realpath(await mkdtemp(join(tmpdir(), 'longshore-demo-')))
  try {
    return await demo(placesIn(top), positionals[0], Number(values.seconds))
  } finally {
    await rm(top, { recursive: true, force: true })
  }
}

function placesIn(top: string): Places {
  return {
    top,
    captureDir: join(top, 'robot', 'capture'),
    logDir: join(top, 'robot', 'logs'),
    dataDir: join(top, 'receiver'),
    exportDir: join(top, 'export'),
    configFile: join(top, 'robot.json'),
  }
}

async function demo(places: Places, folder: string | undefined, seconds: number): Promise<number> {
  await mkdir(places.captureDir, { recursive: true })
  await mkdir(places.logDir, { recursive: true })
  const receiver = await startReceiverProcess(places.dataDir)
  try {
    await writeMachineConfig(places.configFile, receiver, machine, {
      capture_dir: places.captureDir,
      additional_sync_paths: [places.logDir],
      file_last_modified_millis: 1000,
      sync_interval_mins: 0.01,
    })
    process.stdout.write(`receiver at ${receiver.address}; robot in ${places.top}\n`)
    let production: Production = new Map()
    let staying: ReadonlyMap<string, number> = new Map()
    if (folder !== undefined) {
      process.stdout.write(`copying ${resolve(folder)}; it is only read\n`)
      const copied = await copyFolder(resolve(folder), join(places.logDir, 'copy'))
      production = copied.production
      staying = copied.staying
    }
    const { stats, elapsedMs } = await syncWhile(places, async (produced) => {
      if (folder === undefined) await produce(places.captureDir, places.logDir, seconds, produced)
      else for (const [path, file] of production) produced.set(path, file)
      production = produced
    })
    const result = await audit(places.dataDir, machine, places.exportDir, production)
    report(production, stats, elapsedMs, result, staying)
    return result.lost.length + result.left.length > 0 ? 1 : 0
  } finally {
    await receiver.end()
  }
}

/** Runs the daemon beside `work`, then until everything that was produced has left the robot. */
async function syncWhile(
  places: Places,
  work: (produced: Map<BytePath, Produced>) => Promise<void>,
): Promise<{ readonly stats: SyncStats; readonly elapsedMs: number }> {
  const shutdown = new AbortController()
  const { stdout, stderr, env } = process
  const context = { args: [], env, homeDir: '', stdout, stderr, shutdown: shutdown.signal }
  const loaded = await loadDeviceConfig(context, places.configFile)
  const view = new ProgressView(stdout, () => progressLines(session, loaded.config))
  const log = textLog((line) => view.print(line))
  const session = openSession(context, loaded, log, 'daemon')
  const lines = setInterval(() => {
    if (stdout.isTTY !== true) stdout.write(`${progressLines(session, loaded.config)[0]}\n`)
  }, lineEveryMs)
  view.start()
  const startedAtMs = performance.now()
  const daemon = runDaemon({
    session,
    config: loaded.config.dataManager,
    clock: systemClock,
    log,
    shutdown: shutdown.signal,
  })
  try {
    const produced = new Map<BytePath, Produced>()
    await work(produced)
    await whenGone(produced, session.stats)
    const elapsedMs = performance.now() - startedAtMs
    return { stats: session.stats, elapsedMs }
  } finally {
    shutdown.abort()
    await daemon
    await session.close(0)
    clearInterval(lines)
    view.stop()
  }
}

/** Resolves when no produced file is left, or nothing has moved for a minute. */
async function whenGone(produced: Production, stats: SyncStats): Promise<void> {
  let lastBytes = -1
  let lastMoveAtMs = performance.now()
  const left = new Set(produced.keys())
  while (left.size > 0) {
    for (const path of left) {
      if (await exists(path)) break
      left.delete(path)
    }
    if (stats.bytes !== lastBytes) lastMoveAtMs = performance.now()
    lastBytes = stats.bytes
    if (performance.now() - lastMoveAtMs > stuckAfterMs) return
    if (left.size > 0) await systemClock.sleep(pollMs)
  }
}

function report(
  production: Production,
  stats: SyncStats,
  elapsedMs: number,
  { lost, left }: Audit,
  staying: ReadonlyMap<string, number>,
): void {
  const bytes = [...production.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const seconds = elapsedMs / 1000
  const rows: [string, string][] = [
    ['files produced', formatCount(production.size)],
    ['bytes', formatBytes(bytes)],
    ['time, waiting for quiet files included', `${seconds.toFixed(1)} s`],
    ['files/s', formatCount(production.size / seconds)],
    ['MB/s', (bytes / 1e6 / seconds).toFixed(1)],
    ['stored', formatCount(stats.stored)],
    ['already stored', formatCount(stats.alreadyStored)],
    ['left on the robot', formatCount(left.length)],
    ['lost', formatCount(lost.length)],
  ]
  for (const [why, count] of staying) rows.push([`stays on purpose: ${why}`, formatCount(count)])
  const width = Math.max(...rows.map(([name]) => name.length))
  process.stdout.write('\n')
  for (const [name, value] of rows) {
    process.stdout.write(`  ${name.padEnd(width)}  ${value.padStart(10)}\n`)
  }
  process.stdout.write('\n')
  for (const path of lost.slice(0, 10)) process.stdout.write(`LOST  ${path}\n`)
  for (const path of left.slice(0, 10)) process.stdout.write(`left  ${path}\n`)
  if (lost.length + left.length > 0) return
  process.stdout.write('Every file was exported from the receiver, hashed again and found equal.\n')
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}
