import { defaultExclude, excludeMatcher } from '../../src/scan/exclude.ts'
import { Scanner } from '../../src/scan/scanner.ts'
import { runDaemon } from '../../src/sync/daemon.ts'
import { EmptiedFolders } from '../../src/sync/emptied-folders.ts'
import { HeldFiles } from '../../src/sync/held-files.ts'
import { Settler } from '../../src/sync/settler.ts'
import { SyncStats } from '../../src/sync/sync-stats.ts'
import { Uploader } from '../../src/sync/uploader.ts'
import type { Shard, ShardResult } from '../../src/wire/thread-messages.ts'
import type { TransferFailure } from '../../src/wire/transfer-failure.ts'
import { ScanTree } from '../scan/scan-tree.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { answered, FakeTransport, failed } from '../support/fake-transport.ts'
import { DayOwner } from './day-owner.ts'
import { TestLog } from './test-log.ts'

const scanEveryMs = 6000
export const scansPerHour = 3_600_000 / scanEveryMs
const quietMs = 10_000
/** In each two hours the receiver cannot be had for the first five minutes of the second one. */
const outage = { everyScans: 1200, from: 600, to: 650 }
const threadDiesEveryTurns = 499
const unreachable: TransferFailure = { kind: 'unreachable', detail: 'no route' }
const concurrency = { threads: 2, uploadsPerThread: 4, uploads: 8, singleUploads: 2 }

/** A daemon without threads and network, over real files, whose owner works on them between scans. */
export class TestDay {
  readonly clock = new FakeClock()
  readonly log = new TestLog()
  readonly stats = new SyncStats()
  readonly held = new HeldFiles()
  readonly transport = new FakeTransport((shard) => this.#answer(shard))
  readonly uploader: Uploader
  /** How often uploads were held and went on again. */
  outages = 0
  scans = 0
  readonly #tree = new ScanTree()
  readonly owner = new DayOwner(this.#tree, this.clock, () => this.scans)
  readonly #scanner: Scanner
  readonly #emptied: EmptiedFolders
  readonly #shutdown = new AbortController()
  readonly #running: Promise<void>
  #turn = 0
  #dies = false

  constructor() {
    const { clock, log, stats, held, transport } = this
    // Files get their times from the clock of the test; only ctimes are real.
    clock.setWall(Date.now())
    transport.probeAnswer = () => (this.#isOut() ? unreachable : undefined)
    for (const name of ['capture', 'logs']) this.#tree.folder(name)
    const captureDir = () => this.#tree.at('capture')
    const lookUpWriters = async () => this.owner.writers()
    const random = () => 0.5
    this.#emptied = new EmptiedFolders({ clock, captureDir, roots: () => [this.#tree.at('logs')] })
    const settler = new Settler({
      clock,
      captureDir,
      lookUpWriters,
      held,
      emptied: this.#emptied,
      stats,
      log,
      random,
    })
    this.uploader = new Uploader({
      transport,
      concurrency,
      settler,
      held,
      networkState: () => ({ fingerprint: 'eth0 10.0.0.2/24', hasAddress: true }),
      clock,
      log,
      random,
      giveUpAfterFailures: undefined,
      onGivenUp: () => {},
    })
    this.#scanner = new Scanner({
      clock,
      quietMs,
      isExcluded: excludeMatcher(defaultExclude),
      isTaken: (path) => this.uploader.isTaken(path),
      lookUpWriters,
      onNotReady: () => {},
      restWhenIdle: true,
      isStopped: () => this.uploader.stopped,
      mountPoints: () => new Set(),
    })
    this.#running = runDaemon({
      session: {
        stats,
        uploader: this.uploader,
        scan: () => this.#scan(),
        held: () => held.counts(clock.monotonicMs()),
      },
      config: {
        syncIntervalMs: scanEveryMs,
        syncDisabled: false,
        selectiveSyncerName: undefined,
      },
      clock,
      log,
      shutdown: this.#shutdown.signal,
    })
  }

  /** Lets so many scans happen, an even number. Before every other one the owner makes files, or rests. */
  async pass(scans: number, owner: 'works' | 'rests'): Promise<void> {
    for (let n = 0; n < scans; n += 2) {
      this.#turn += 1
      if (owner === 'works') this.owner.work()
      this.owner.tidy()
      this.#dies = this.#turn % threadDiesEveryTurns === 0
      await this.clock.advance(2 * scanEveryMs)
      this.#forget()
    }
  }

  async end(): Promise<void> {
    this.#shutdown.abort()
    await this.#running
    await this.uploader.stop(0)
  }

  remove(): void {
    this.#tree.remove()
  }

  async #scan(): Promise<void> {
    this.scans += 1
    const roots = [this.#tree.rootAt('capture'), this.#tree.rootAt('logs')]
    for await (const found of this.#scanner.scan({ roots, captureDir: this.#tree.at('capture') })) {
      this.uploader.add(found)
    }
    await this.#emptied.sweep()
  }

  #answer(shard: Shard): ShardResult {
    if (this.#dies) {
      this.#dies = false
      throw new Error('out of memory')
    }
    return this.#isOut()
      ? failed(shard, unreachable)
      : answered(shard, (file) => this.owner.resultOf(file))
  }

  #isOut(): boolean {
    const inCycle = this.scans % outage.everyScans
    return inCycle >= outage.from && inCycle < outage.to
  }

  /** What only the test keeps must not look like something that the daemon keeps. */
  #forget(): void {
    this.transport.shards.length = 0
    for (const { event } of this.log.lines) {
      if (event === 'uploads_resumed') this.outages += 1
    }
    this.log.lines.length = 0
    this.owner.forget()
  }
}
