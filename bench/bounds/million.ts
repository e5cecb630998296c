import { type FSWatcher, rmSync, watch } from 'node:fs'
import { join } from 'node:path'
import { openDataFolder } from '../../src/receiver/identity/data-folder.ts'
import { SqliteCatalog } from '../../src/receiver/store/sqlite-catalog.ts'
import { type Backlog, filesLeft, makeBacklog } from './backlog.ts'
import type { Bound } from './bound.ts'
import { DeviceAndReceiver } from './device-and-receiver.ts'
import { pause } from './pause.ts'
import type { BoundsContext, BoundsFindings, BoundsQuestion } from './question.ts'
import { loadText, Watch } from './watch.ts'

/** Does a daemon that finds a backlog stay small, and begin at once? */
export const million: BoundsQuestion = {
  name: 'million',
  asks: '1,000,000 small files that wait: does the daemon stay below 256 MB, and begin in seconds',
  // A page and an inode each.
  deviceBytes: ({ files }) => files * 6000,
  run,
}

const folders = 1000
/** Of the variant with all files in two folders: one of capture files, one of arbitrary ones. */
const shareInFewFolders = 0.4
const mayHoldMb = 256
const beginsWithinSeconds = 10
const firstWithinMs = 60_000
const sampleEverySeconds = 1

interface Phase {
  readonly name: string
  readonly waiting: number
  readonly seconds: number
  /** From the start of the daemon's process until a file was gone from the device. */
  readonly firstAfterSeconds: number | undefined
  readonly arrived: number
  /** Neither here nor there, or at the receiver twice. */
  readonly wrong: number
  readonly watches: readonly Watch[]
}

async function run(context: BoundsContext): Promise<BoundsFindings> {
  const { files, device, say } = context
  say(`making ${files} files`)
  const spread = makeBacklog(join(device.path, 'spread'), files, folders)
  const phases = [
    await onePhase(context, { name: 'no receiver', backlog: spread, isOffline: true }),
    await onePhase(context, { name: `${folders} folders`, backlog: spread, isOffline: false }),
  ]
  rmSync(join(device.path, 'spread'), { recursive: true })
  const fewFiles = Math.round(files * shareInFewFolders)
  say(`making ${fewFiles} files in two folders`)
  const dense = makeBacklog(join(device.path, 'dense'), fewFiles, 2)
  phases.push(await onePhase(context, { name: '2 folders', backlog: dense, isOffline: false }))
  return findings(phases)
}

async function onePhase(
  { longshore, temp, say, seconds, offlineSeconds }: BoundsContext,
  phase: { readonly name: string; readonly backlog: Backlog; readonly isOffline: boolean },
): Promise<Phase> {
  const { name, backlog, isOffline } = phase
  await using pair = await DeviceAndReceiver.open({
    name: 'million',
    longshore,
    folder: temp.folder(name),
    captureDir: backlog.captureDir,
    additionalSyncPaths: [backlog.logDir],
    store: 'folder',
  })
  if (isOffline) pair.link.refuse()
  const waiting = filesLeft(backlog)
  const removal = new FirstRemoval(backlog.folders)
  say(`${name}: ${waiting} files wait`)
  const startedAtMs = performance.now()
  const elapsedSeconds = () => (performance.now() - startedAtMs) / 1000
  await pair.daemon.start()
  using daemonWatch = new Watch('daemon', () => pair.daemon.pid, sampleEverySeconds)
  using receiverWatch = new Watch('receiver', () => pair.receiver.pid, sampleEverySeconds)
  let firstAfterSeconds: number | undefined
  if (isOffline) await pause(offlineSeconds * 1000)
  else {
    const atMs = await removal.within(firstWithinMs)
    if (atMs !== undefined) firstAfterSeconds = (atMs - startedAtMs) / 1000
    say(`${name}: the first one went after ${firstAfterSeconds?.toFixed(2)} s`)
    while (elapsedSeconds() < seconds && filesLeft(backlog) > 0) await pause(2000)
  }
  for (const each of [daemonWatch, receiverWatch]) each.end()
  const ranForSeconds = elapsedSeconds()
  removal.close()
  await pair.terminate()
  const stored = await storedPaths(pair.dataDir)
  const left = filesLeft(backlog)
  say(`${name}: ${stored.paths.size} arrived, ${left} left`)
  return {
    name,
    waiting,
    seconds: ranForSeconds,
    firstAfterSeconds,
    arrived: stored.paths.size,
    wrong: Math.abs(waiting - left - stored.paths.size) + stored.doubled,
    watches: [daemonWatch, receiverWatch],
  }
}

function findings(phases: readonly Phase[]): BoundsFindings {
  const rows = phases.map((phase) => [
    phase.name,
    String(phase.waiting),
    phase.firstAfterSeconds?.toFixed(2) ?? '-',
    phase.seconds.toFixed(0),
    String(phase.arrived),
    ...phase.watches.map((watch) => peakMb(watch).toFixed(0)),
    loadText(phase.watches[0]!),
  ])
  const head = ['', 'files', 'first gone s', 's', 'arrived', 'daemon MB', 'receiver MB', 'load']
  return {
    data: {
      phases: phases.map(({ watches, ...phase }) => ({
        ...phase,
        samples: Object.fromEntries(watches.map(({ name, samples }) => [name, samples])),
      })),
    },
    tables: [{ title: 'A backlog of small files; memory is VmHWM', rows: [head, ...rows] }],
    notes: ['half are capture files, half arbitrary ones, of 100 to 400 bytes'],
    bounds: phases.flatMap((phase): Bound[] => [
      {
        what: `${phase.name}: memory of the daemon`,
        unit: 'MB',
        found: peakMb(phase.watches[0]!),
        limit: mayHoldMb,
      },
      { what: `${phase.name}: files lost or doubled`, unit: '', found: phase.wrong, limit: 0 },
      ...(phase.name === 'no receiver'
        ? []
        : [
            {
              what: `${phase.name}: until the first file is gone`,
              unit: 's',
              found: phase.firstAfterSeconds ?? Number.POSITIVE_INFINITY,
              limit: beginsWithinSeconds,
            },
          ]),
    ]),
  }
}

function peakMb({ samples }: Watch): number {
  return Math.max(...samples.map(({ peakRssBytes }) => peakRssBytes)) / 1e6
}

interface Stored {
  readonly paths: ReadonlySet<string>
  /** Entries beyond the first one of a path. */
  readonly doubled: number
}

async function storedPaths(dataDir: string): Promise<Stored> {
  const folder = await openDataFolder(dataDir, { store: 'folder', create: false })
  const catalog = SqliteCatalog.open(folder.catalogFile, { readOnly: true })
  try {
    const paths = new Set<string>()
    let entries = 0
    for (const { path } of catalog.files()) {
      entries += 1
      paths.add(path)
    }
    return { paths, doubled: entries - paths.size }
  } finally {
    await catalog.close()
  }
}

/** Sees when the first file goes, and then looks no more: the others go by the thousand. */
class FirstRemoval {
  readonly #watchers: readonly FSWatcher[]
  readonly #seen: Promise<number>

  constructor(folders: readonly string[]) {
    const { promise, resolve } = Promise.withResolvers<number>()
    this.#seen = promise
    this.#watchers = folders.map((folder) =>
      watch(folder, () => {
        resolve(performance.now())
        this.close()
      }),
    )
  }

  /** By performance.now(). */
  async within(ms: number): Promise<number | undefined> {
    return await Promise.race([this.#seen, pause(ms).then(() => undefined)])
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close()
  }
}
