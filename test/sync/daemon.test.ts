import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type DaemonOptions, runDaemon } from '../../src/sync/daemon.ts'
import { SyncStats } from '../../src/sync/sync-stats.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { TestLog } from './test-log.ts'

const open = { syncIntervalMs: 6000, syncDisabled: false, selectiveSyncerName: undefined }

/** A daemon over a session that only counts. */
class TestDaemon {
  readonly clock = new FakeClock()
  readonly log = new TestLog()
  readonly stats = new SyncStats()
  held = { files: 0, folders: 0 }
  readonly shutdown = new AbortController()
  /** When each scan began, counted from the start. */
  readonly scansMs: number[] = []
  halts = 0
  scan: () => Promise<unknown> = async () => {}
  evictor: { look(isGateOpen: boolean): Promise<void> } | undefined
  readonly #startMs = this.clock.monotonicMs()

  run(config: DaemonOptions['config'] = open): Promise<void> {
    const { stats, clock, log } = this
    const uploader = {
      halt: () => {
        this.halts += 1
      },
    }
    const scan = () => {
      this.scansMs.push(clock.monotonicMs() - this.#startMs)
      return this.scan()
    }
    const held = () => this.held
    const session = { stats, uploader, scan, held, evictor: this.evictor }
    return runDaemon({ session, config, clock, log, shutdown: this.shutdown.signal })
  }

  /** Ends it, and sees that it leaves nothing behind. */
  async end(running: Promise<void>): Promise<void> {
    this.shutdown.abort()
    await running
    assert.equal(this.clock.sleepers, 0)
    assert.equal(this.halts, 1)
  }
}

describe('the daemon', () => {
  test('scans at once, and then once in each interval', async () => {
    const daemon = new TestDaemon()
    const running = daemon.run()
    await settled()
    assert.deepEqual(daemon.scansMs, [0])
    await daemon.clock.advance(18_000)
    assert.deepEqual(daemon.scansMs, [0, 6000, 12_000, 18_000])
    await daemon.end(running)
  })

  test('rests for the interval after a scan that takes long', async () => {
    const daemon = new TestDaemon()
    daemon.scan = () => daemon.clock.sleep(10_000)
    const running = daemon.run()
    await daemon.clock.advance(32_000)
    assert.deepEqual(daemon.scansMs, [0, 16_000, 32_000])
    daemon.shutdown.abort()
    await daemon.clock.advance(10_000)
    await running
  })

  test('goes on after a scan that fails, and says so once for each reason', async () => {
    const daemon = new TestDaemon()
    let reason = 'EMFILE'
    daemon.scan = async () => {
      throw new Error(reason)
    }
    const running = daemon.run()
    await daemon.clock.advance(60_000)
    assert.equal(daemon.scansMs.length, 11)
    assert.equal(daemon.log.lines.length, 1)
    reason = 'EIO'
    await daemon.clock.advance(60_000)
    assert.deepEqual(
      daemon.log.lines.map(({ fields }) => fields?.error),
      ['EMFILE', 'EIO'],
    )
    daemon.scan = async () => {}
    await daemon.clock.advance(6000)
    daemon.scan = async () => {
      throw new Error('EIO')
    }
    await daemon.clock.advance(6000)
    assert.equal(daemon.log.lines.length, 3, 'it had worked in between')
    await daemon.end(running)
  })

  test('does not scan while paused, and says so once', async () => {
    const daemon = new TestDaemon()
    const running = daemon.run({ ...open, syncDisabled: true })
    await daemon.clock.advance(3_600_000)
    assert.deepEqual(daemon.scansMs, [])
    assert.deepEqual(daemon.log.events, ['gate_shut'])
    await daemon.end(running)
  })

  test('does not scan while a trigger is named', async () => {
    const daemon = new TestDaemon()
    const running = daemon.run({ ...open, selectiveSyncerName: 'on-wifi' })
    await daemon.clock.advance(60_000)
    assert.deepEqual(daemon.scansMs, [])
    await daemon.end(running)
  })

  test('invariant 5: says nothing while nothing moves', async () => {
    const daemon = new TestDaemon()
    const running = daemon.run()
    await daemon.clock.advance(24 * 3_600_000)
    assert.deepEqual(daemon.log.lines, [])
    await daemon.end(running)
  })

  test('sums up at most once a minute, and only when something moved', async () => {
    const daemon = new TestDaemon()
    daemon.scan = async () => {
      if (daemon.clock.monotonicMs() < 1_000_000 + 300_000) daemon.stats.stored += 1
    }
    const running = daemon.run()
    await daemon.clock.advance(3_600_000)
    const { events } = daemon.log
    assert.ok(events.length >= 5 && events.length <= 6, `${events.length} lines`)
    assert.ok(events.every((event) => event === 'synced'))
    assert.match(daemon.log.lines.at(-1)!.message, /50 files stored/)
    await daemon.end(running)
  })

  test('sums up while one scan goes on for hours', async () => {
    const daemon = new TestDaemon()
    daemon.scan = () =>
      new Promise((resolve) => daemon.shutdown.signal.addEventListener('abort', resolve))
    const running = daemon.run()
    daemon.stats.stored = 5
    await daemon.clock.advance(60_000)
    assert.deepEqual(daemon.log.events, ['synced'])
    await daemon.end(running)
  })

  test('sums up what is held too, but says nothing when only that changes', async () => {
    const daemon = new TestDaemon()
    const running = daemon.run()
    daemon.stats.retried = 2
    daemon.held = { files: 2, folders: 0 }
    await daemon.clock.advance(60_000)
    daemon.held = { files: 1, folders: 0 }
    await daemon.clock.advance(600_000)
    assert.deepEqual(
      daemon.log.lines.map(({ message }) => message),
      ['0 files stored, 0 B; 2 tries failed; 2 files to be tried again later'],
    )
    await daemon.end(running)
  })
})

describe('the disk-full rule of the daemon', () => {
  /** When it looked, and whether the gate was open. */
  const looksOf = (daemon: TestDaemon) => {
    const looks: [number, boolean][] = []
    const startMs = daemon.clock.monotonicMs()
    daemon.evictor = {
      look: async (isGateOpen) => {
        looks.push([daemon.clock.monotonicMs() - startMs, isGateOpen])
      },
    }
    return looks
  }

  test('looks at once, and then once a minute', async () => {
    const daemon = new TestDaemon()
    const looks = looksOf(daemon)
    const running = daemon.run()
    await daemon.clock.advance(120_000)
    const seen = [0, 60_000, 120_000].map((atMs) => [atMs, true])
    assert.deepEqual(looks, seen)
    await daemon.end(running)
  })

  test('looks while it is paused as well: the disk fills all the same', async () => {
    const daemon = new TestDaemon()
    const looks = looksOf(daemon)
    const running = daemon.run({ ...open, syncDisabled: true })
    await daemon.clock.advance(60_000)
    const seen = [0, 60_000].map((atMs) => [atMs, false])
    assert.deepEqual(looks, seen)
    await daemon.end(running)
  })

  test('says in the summary how many files went unsent', async () => {
    const daemon = new TestDaemon()
    const running = daemon.run()
    daemon.stats.evicted = 1200
    await daemon.clock.advance(60_000)
    assert.match(daemon.log.lines.at(-1)!.message, /; 1,200 evicted without upload/)
    await daemon.end(running)
  })
})

describe('the end of the daemon', () => {
  test('comes at once when it was told before it began', async () => {
    const daemon = new TestDaemon()
    daemon.shutdown.abort()
    await daemon.end(daemon.run())
    assert.deepEqual(daemon.scansMs, [])
  })

  test('comes while it rests', async () => {
    const daemon = new TestDaemon()
    const running = daemon.run()
    await daemon.clock.advance(1000)
    await daemon.end(running)
    assert.deepEqual(daemon.scansMs, [0])
  })

  test('has uploads started no more at once, and waits for the scan', async () => {
    const daemon = new TestDaemon()
    const scan = Promise.withResolvers<void>()
    daemon.scan = () => scan.promise
    const running = daemon.run()
    await settled()
    daemon.shutdown.abort()
    assert.equal(daemon.halts, 1)
    let ended = false
    void running.then(() => {
      ended = true
    })
    await settled()
    assert.equal(ended, false)
    scan.resolve()
    await daemon.end(running)
    assert.deepEqual(daemon.scansMs, [0])
  })

  test('comes while a scan fails', async () => {
    const daemon = new TestDaemon()
    const scan = Promise.withResolvers<void>()
    daemon.scan = () => scan.promise
    const running = daemon.run()
    await settled()
    scan.reject(new Error('closed under it'))
    await daemon.end(running)
  })

  test('comes while it is paused', async () => {
    const daemon = new TestDaemon()
    const running = daemon.run({ ...open, syncDisabled: true })
    await daemon.clock.advance(7000)
    await daemon.end(running)
  })
})
