import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { blake3 } from '../../src/base/hash.ts'
import { FaultyLink } from '../support/faulty-link.ts'
import { writeMachineConfig } from '../support/longshore-process.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { type AuditReport, audit } from './audit.ts'
import { Chaos } from './chaos.ts'
import { End, eventsIn, type Holdings } from './end.ts'
import { statsOf, type Version } from './owned-file.ts'
import { Owner } from './owner.ts'
import { Sentinels } from './sentinels.ts'
import { readHoldings } from './stored.ts'

export interface TortureOptions {
  readonly seconds: number
  readonly seed: number
  /** Everything is kept in it: both ends' data and logs. */
  readonly folder: string
  /** Told what is done, as it is done. */
  readonly tell: (what: string) => void
}

export interface TortureResult extends AuditReport {
  readonly seed: number
  readonly deeds: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
  readonly counts: Readonly<Record<string, number>>
  /** What both ends logged, by event. */
  readonly events: Readonly<Record<string, number>>
}

/** Of `seconds`, for so long nobody is killed any more at the end. */
const calmShare = 0.25
/** After all is healed, nothing leaving the device for so long is a violation: something hangs. */
const mayRestMs = 30_000
/** For so long it is waited all the same: a daemon gives a connection up that does not move for 60 s. */
const givenUpAfterMs = 100_000
/** What an end may hold more than when it was fresh: its threads, their connections and their files. */
const mayHoldMore: Holdings = { descriptors: 24, threads: 4 }

/**
 * A receiver, a daemon and a link between them, all of which fail again and again while owners work on
 * their files; then everything heals, and whatever is not as the design promises is a violation.
 */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { seconds, seed, folder, tell } = options
  const random = new SeededRandom(seed)
  const captureDir = join(folder, 'device', 'capture')
  const logDir = join(folder, 'device', 'logs')
  const dataDir = join(folder, 'receiver')
  const outputDir = join(folder, 'output')
  const configFile = join(folder, 'machine.json')
  for (const path of [captureDir, logDir, outputDir]) mkdirSync(path, { recursive: true })
  const listen = ['--data', dataDir, '--listen', '127.0.0.1:0']
  const up = /listening on \S+:(\d+)\n/
  const receiver = new End('receiver', ['receiver', 'start', ...listen], outputDir, up)
  const daemon = new End('daemon', ['run', '--config', configFile], outputDir, /"event":"started"/)
  const link = await FaultyLink.open(0, {}, random.fork())
  const startReceiver = async () => {
    const port = await receiver.start()
    if (port !== undefined) link.set({ toPort: Number(port) })
  }
  const folders = { captureDir, logDir }
  const owners = [1, 2, 3].map((n) => new Owner(`owner-${n}`, folders, random.fork()))
  const files = () => owners.flatMap((owner) => owner.files)
  const problems: string[] = []
  let sentinels: Sentinels | undefined
  try {
    await startReceiver()
    const address = `https://localhost:${link.port}`
    await writeMachineConfig(configFile, { dataDir, address }, 'tortured', {
      capture_dir: captureDir,
      additional_sync_paths: [logDir],
      file_last_modified_millis: 300,
      sync_interval_mins: 0.003,
      maximum_num_sync_threads: 2,
    })
    sentinels = new Sentinels(logDir)
    await daemon.start()
    const fresh = { daemon: daemon.holds(), receiver: receiver.holds() }
    const cutsDeaf = seconds < 120
    const chaos = new Chaos({
      daemon,
      receiver,
      link,
      random: random.fork(),
      startReceiver,
      cutsDeaf,
      tell,
    })
    const end = AbortSignal.timeout(seconds * 1000)
    const noMoreKills = AbortSignal.timeout(seconds * 1000 * (1 - calmShare))
    await Promise.all([chaos.run(end, noMoreKills), ...owners.map((owner) => owner.work(end))])
    tell('healed; waiting until the device is empty')
    const { drainMs, longestRestMs } = await drain(owners)
    if (longestRestMs > mayRestMs) {
      const seconds = Math.round(longestRestMs / 1000)
      problems.push(
        `with all healed, no file left the device for ${seconds} s, and files were ready`,
      )
    }
    problems.push(
      ...(await heldTooMuch(daemon, fresh.daemon)),
      ...(await heldTooMuch(receiver, fresh.receiver)),
      ...sentinels.problems(),
    )
    await daemon.terminate()
    await receiver.terminate()
    problems.push(...daemon.problems, ...receiver.problems, ...processesOf(folder))
    const holdings = await readHoldings(dataDir)
    const strangers = strangersBelow(join(folder, 'device'), new Set(files().map((f) => f.path)))
    const report = audit({ files: files(), holdings, onDevice: versionOn, strangers })
    const storedBytes = holdings.versions.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    return {
      ...report,
      violations: [...problems, ...report.violations],
      seed,
      deeds: sum(owners.map((owner) => owner.deeds)),
      faults: Object.fromEntries(chaos.counts),
      events: sum([eventsIn(daemon.logFiles), eventsIn(receiver.logFiles)]),
      counts: {
        'files made': files().length,
        'states they had': files().reduce((count, { had }) => count + had.length, 0),
        'versions stored': holdings.versions.length,
        'bytes stored': storedBytes,
        'bytes sent up the link': link.upBytes,
        'unfinished uploads left': holdings.unfinished.length,
        connections: link.connections,
        'connections cut': link.cuts,
        'bytes lost in black holes': link.lostBytes,
        'bytes corrupted': link.corrupted,
        'daemons started': daemon.starts,
        'receivers started': receiver.starts,
        'ms until the device was empty': Math.round(drainMs),
      },
    }
  } finally {
    sentinels?.close()
    await daemon.kill()
    await receiver.kill()
    await link.close()
  }
}

interface Drain {
  readonly drainMs: number
  readonly longestRestMs: number
}

/** Resolves when nothing is left to be uploaded, or nothing has moved for long. */
async function drain(owners: readonly Owner[]): Promise<Drain> {
  const startedAtMs = performance.now()
  let lastBytes = Number.POSITIVE_INFINITY
  let movedAtMs = startedAtMs
  let longestRestMs = 0
  for (;;) {
    const bytes = owners.reduce((sum, owner) => sum + owner.waitingBytes(), 0)
    const nowMs = performance.now()
    longestRestMs = Math.max(longestRestMs, nowMs - movedAtMs)
    if (bytes === 0 || nowMs - movedAtMs > givenUpAfterMs) {
      return { drainMs: nowMs - startedAtMs, longestRestMs }
    }
    if (bytes !== lastBytes) movedAtMs = nowMs
    lastBytes = bytes
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Waits a while for an end to give back what it needed for its work. */
async function heldTooMuch(end: End, fresh: Holdings | undefined): Promise<string[]> {
  const most = {
    descriptors: (fresh?.descriptors ?? 0) + mayHoldMore.descriptors,
    threads: (fresh?.threads ?? 0) + mayHoldMore.threads,
  }
  for (let looks = 0; looks < 200; looks += 1) {
    const now = end.holds()
    if (now === undefined) return [`${end.name} is not there any more`]
    if (now.descriptors <= most.descriptors && now.threads <= most.threads) return []
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const now = end.holds()
  return [
    `${end.name} holds ${now?.descriptors} descriptors and ${now?.threads} threads; ` +
      `fresh it held ${fresh?.descriptors} and ${fresh?.threads}`,
  ]
}

/** Processes that still have to do with the folder. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      return command.includes(folder) ? [`process ${pid} is left: ${command}`] : []
    } catch {
      // It has ended meanwhile.
      return []
    }
  })
}

function strangersBelow(top: string, owned: ReadonlySet<string>): string[] {
  const entries = readdirSync(top, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('/sentinels'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !owned.has(path) && !path.endsWith('/.longshore.lock'))
}

function versionOn(path: string): Version | undefined {
  const stats = statsOf(path)
  if (stats === undefined) return undefined
  const { mtimeNs } = stats
  return { mtimeNs, sizeBytes: statSync(path).size, digest: blake3(readFileSync(path)) }
}

function sum(maps: readonly ReadonlyMap<string, number>[]): Record<string, number> {
  const all: Record<string, number> = {}
  for (const map of maps) for (const [key, n] of map) all[key] = (all[key] ?? 0) + n
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)))
}
