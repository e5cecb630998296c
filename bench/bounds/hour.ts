import { readdirSync } from 'node:fs'
import type { Digest } from '../../src/base/hash.ts'
import { eventsIn } from '../../test/torture/end.ts'
import { readHoldings, type StoredVersion } from '../../test/torture/stored.ts'
import { DeviceAndReceiver } from './device-and-receiver.ts'
import { growthBounds, growthOf, growthTable } from './growth.ts'
import { MixedLoad } from './mixed-load.ts'
import { pause } from './pause.ts'
import type { BoundsContext, BoundsFindings, BoundsQuestion } from './question.ts'
import { loadText, type Sample, Watch } from './watch.ts'

/** Does anything grow in an hour of a mixed load over a bad link? */
export const hour: BoundsQuestion = {
  name: 'hour',
  asks: 'an hour of mixed files over a link that breaks: does memory, do descriptors or threads grow',
  deviceBytes: () => 500e6,
  run,
}

const load = {
  captureEveryMs: 100,
  logLineEveryMs: 1000,
  logRotatesEveryMs: 60_000,
  largeEveryMs: 20_000,
}
/** Per run, so that a short one tries everything too: in an hour every 2 minutes, every 10 minutes. */
const cuts = 30
const restarts = 6
const samples = 360
/** In the second half of the run, along a line fitted to it. */
const mayGrow = { rssMb: 10, descriptors: 3, threads: 2 }
const emptyWithinMs = 180_000

async function run(context: BoundsContext): Promise<BoundsFindings> {
  const seconds = context.minutes * 60
  // A process that is started again shows no slow growth: so one pair whose receiver stays.
  const results = await Promise.all([
    onePair(context, { name: 'steady', restarts: 0 }),
    onePair(context, { name: 'restarted', restarts }),
  ])
  const growths = results
    .flatMap(({ watches }) => watches)
    .map(({ name, samples }) => ({
      name,
      late: samples.filter(({ atSeconds }) => atSeconds >= seconds / 2),
    }))
    .filter(({ late }) => !isStartedAgain(late))
    .map(({ name, late }) => growthOf(name, late))
  const rows = results.flatMap(({ name, counts }) =>
    Object.entries(counts).map(([what, count]) => [`${name}: ${what}`, String(count)]),
  )
  return {
    data: { minutes: context.minutes, load, cuts, restarts, growths, pairs: results.map(plain) },
    tables: [
      { title: `${context.minutes} minutes`, rows: [['', 'count'], ...rows] },
      growthTable('Second half, with the slope of a fitted line', growths),
    ],
    notes: [
      'the receiver that is started again is not fitted: it is another process each time',
      `load average of the machine: ${loadText(results[0]!.watches[0]!)}`,
    ],
    bounds: [
      ...growths.flatMap((growth) => growthBounds(growth, mayGrow)),
      ...results.flatMap(({ name, wrong }) => [
        { what: `${name}: files not arrived exactly once`, unit: '', found: wrong, limit: 0 },
      ]),
    ],
  }
}

interface PairResult {
  readonly name: string
  readonly watches: readonly Watch[]
  /** Files that are not at the receiver once, byte for byte, or are still here; and strangers there. */
  readonly wrong: number
  readonly counts: Readonly<Record<string, number>>
}

async function onePair(
  context: BoundsContext,
  { name, restarts }: { readonly name: string; readonly restarts: number },
): Promise<PairResult> {
  const { temp, device, longshore, say } = context
  const seconds = context.minutes * 60
  const captureDir = device.folder(`${name}/capture`)
  const logDir = device.folder(`${name}/logs`)
  await using pair = await DeviceAndReceiver.open({
    name,
    longshore,
    folder: temp.folder(name),
    captureDir,
    additionalSyncPaths: [logDir],
    store: 'folder',
  })
  await pair.daemon.start()
  const every = Math.max(1, seconds / samples)
  using daemonWatch = new Watch(`${name}: daemon`, () => pair.daemon.pid, every)
  using receiverWatch = new Watch(`${name}: receiver`, () => pair.receiver.pid, every)
  const mixed = new MixedLoad(captureDir, logDir, load)
  try {
    await Promise.all([
      spoil(pair, seconds, say),
      restartReceiver(pair, seconds, restarts, say),
      pause(seconds * 1000),
    ])
  } finally {
    mixed.stop()
  }
  say(`${name}: no more files; waiting until all have gone`)
  const left = await whenEmpty([captureDir, logDir])
  for (const watch of [daemonWatch, receiverWatch]) watch.end()
  await pair.terminate()
  const { versions, unfinished } = await readHoldings(pair.dataDir)
  const { notOnce, strangers } = compare(mixed.finished, versions)
  for (const path of notOnce.slice(0, 10)) say(`${name}: did not arrive byte for byte: ${path}`)
  for (const path of strangers.slice(0, 10))
    say(`${name}: arrived twice, or as never made: ${path}`)
  const { link } = pair
  return {
    name,
    watches: [daemonWatch, receiverWatch],
    wrong: notOnce.length + strangers.length + left,
    counts: {
      'files made': mixed.finished.size,
      'files that arrived exactly once': mixed.finished.size - notOnce.length,
      'other versions at the receiver': strangers.length,
      'files left on the device': left,
      'unfinished uploads left at the receiver': unfinished.length,
      'receivers started': pair.receiver.starts,
      connections: link.connections,
      'connections cut': link.cuts,
      'bytes sent up': link.upBytes,
      ...Object.fromEntries(
        [...eventsIn([...pair.daemon.logFiles, ...pair.receiver.logFiles])].map(
          ([event, count]) => [`logged ${event}`, count],
        ),
      ),
    },
  }
}

/** Cuts the link again and again, each time in another way. */
async function spoil(
  { link }: DeviceAndReceiver,
  seconds: number,
  say: (line: string) => void,
): Promise<void> {
  const everyMs = (seconds * 1000) / cuts
  const outageMs = Math.min(15_000, everyMs / 4)
  const ways = [
    async () => link.cutAll('rst'),
    async () => link.cutAll('fin'),
    async () => {
      link.refuse()
      link.cutAll('rst')
      await pause(outageMs)
      await link.heal()
    },
    async () => {
      link.blackHole()
      await pause(outageMs)
      await link.heal()
      // In a short run nobody waits for the minute after which a deaf connection is given up.
      if (seconds < 1200) link.cutAll('rst')
    },
  ]
  for (let count = 1; count < cuts; count += 1) {
    await pause(everyMs - (count % ways.length < 2 ? 0 : outageMs))
    say(`cut ${count} of ${cuts - 1}`)
    await ways[count % ways.length]!()
  }
}

async function restartReceiver(
  pair: DeviceAndReceiver,
  seconds: number,
  restarts: number,
  say: (line: string) => void,
): Promise<void> {
  for (let count = 1; count < restarts; count += 1) {
    await pause((seconds * 1000) / restarts)
    say(`receiver started again, ${count} of ${restarts - 1}`)
    await pair.receiver.terminate()
    await pair.startReceiver()
  }
}

/** How many files are left after waiting for long. */
async function whenEmpty(folders: readonly string[]): Promise<number> {
  const deadlineMs = performance.now() + emptyWithinMs
  for (;;) {
    const left = folders.reduce((count, folder) => count + filesBelow(folder), 0)
    if (left === 0 || performance.now() > deadlineMs) return left
    await pause(500)
  }
}

function filesBelow(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile() && entry.name !== '.longshore.lock').length
}

/**
 * Finished files that are not at the receiver exactly once, and versions that are there but are none of
 * them. Every byte there has been hashed again.
 */
function compare(
  finished: ReadonlyMap<string, Digest>,
  versions: readonly StoredVersion[],
): { readonly notOnce: string[]; readonly strangers: string[] } {
  const missing = new Map(finished)
  const strangers: string[] = []
  for (const { path, digestOfBytes } of versions) {
    // A second copy finds the path taken away already.
    if (missing.get(path) === digestOfBytes) missing.delete(path)
    else strangers.push(path)
  }
  return { notOnce: [...missing.keys()], strangers }
}

function isStartedAgain(samples: readonly Sample[]): boolean {
  return new Set(samples.map(({ pid }) => pid)).size > 1
}

function plain({ watches, ...result }: PairResult) {
  const samples = watches.map(({ name, samples }) => [name, samples])
  return { ...result, samples: Object.fromEntries(samples) }
}
