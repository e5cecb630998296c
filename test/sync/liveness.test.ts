import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Shard } from '../../src/wire/thread-messages.ts'
import type { TransferFailure } from '../../src/wire/transfer-failure.ts'
import { settled } from '../support/fake-clock.ts'
import {
  answered,
  connectionLost,
  failed,
  refused,
  storedImaginary,
} from '../support/fake-transport.ts'
import { imaginaries, imaginary } from './candidates.ts'
import { TestUploader } from './test-uploader.ts'

const MiB = 1024 * 1024
const store = (shard: Shard) => answered(shard, storedImaginary)
const unreachable: TransferFailure = { kind: 'unreachable', detail: 'no route' }
const elsewhere = { fingerprint: 'wlan0 192.168.1.7/24', hasAddress: true }

/** An uploader whose receiver has been out of reach for long. */
async function cutOff(): Promise<TestUploader> {
  const test = new TestUploader((shard) => failed(shard, connectionLost))
  test.transport.probeAnswer = () => unreachable
  test.uploader.add(imaginaries(100, 10))
  await test.clock.advance(600_000)
  return test
}

describe('the daemon comes back', () => {
  test('within a second when its network has changed', async () => {
    const test = await cutOff()
    const { uploader, transport, clock } = test
    while (clock.sleepsMs.at(-1)! < 10_000) await clock.advance(1000)
    transport.probeAnswer = () => undefined
    transport.answer = store
    test.network = elsewhere
    await clock.advance(2000)
    assert.equal(uploader.taken, 0)
    assert.equal(clock.sleepers, 0, 'and watches no longer')
  })

  test('within 15 s when the link returns unseen, somewhere on the way', async () => {
    const { uploader, transport, clock } = await cutOff()
    transport.probeAnswer = () => undefined
    transport.answer = store
    await clock.advance(15_000)
    assert.equal(uploader.taken, 0)
  })

  test('and tries nothing while it has no address', async () => {
    const test = await cutOff()
    const { uploader, transport, clock } = test
    while (clock.sleepsMs.at(-1)! < 10_000) await clock.advance(1000)
    const { probes } = transport
    test.network = { fingerprint: '', hasAddress: false }
    await clock.advance(5000)
    assert.equal(transport.probes, probes)
    await uploader.stop(0)
    assert.equal(clock.sleepers, 0)
  })

  test('from a network that flaps, without knocking more often than every 10 s', async () => {
    const test = await cutOff()
    const { uploader, transport, clock } = test
    const { probes } = transport
    for (let n = 0; n < 300; n += 1) {
      test.network = { fingerprint: `wlan0 ${n}`, hasAddress: true }
      await clock.advance(1000)
    }
    const knocks = transport.probes - probes
    assert.ok(knocks >= 20 && knocks <= 31, `${knocks} in 300 s`)
    await uploader.stop(0)
  })

  test('when the question to the receiver never comes to an end', async () => {
    const { uploader, transport, clock } = new TestUploader((s) => failed(s, connectionLost))
    transport.probeAnswer = () => new Promise(() => {})
    uploader.add([imaginary('/data/a')])
    await clock.advance(100_000)
    assert.equal(uploader.linkFailure?.kind, 'stalled')
    transport.probeAnswer = () => undefined
    transport.answer = store
    await clock.advance(200_000)
    assert.equal(uploader.taken, 0)
  })

  test('when every thread dies at its start, for as long as that lasts', async () => {
    let threadsStart = false
    const died = () => {
      throw new Error('cannot allocate memory')
    }
    const { uploader, transport, clock, settler, log } = new TestUploader((shard) =>
      threadsStart ? store(shard) : died(),
    )
    transport.probeAnswer = () => (threadsStart ? undefined : died())
    uploader.add([imaginary('/data/l', { sizeBytes: 5 * MiB }), ...imaginaries(100, 10)])
    await clock.advance(24 * 3_600_000)
    assert.equal(uploader.taken, 101)
    assert.ok(log.lines.length <= 30, `${log.lines.length} lines in a day`)
    threadsStart = true
    await clock.advance(61_000)
    assert.equal(uploader.taken, 0)
    assert.equal(settler.settled.length, 101)
  })

  test('when the one upload that is tried first hangs in a disk', async () => {
    const { uploader, transport, clock } = new TestUploader()
    uploader.add(imaginaries(1, 10))
    const [first] = transport.underWay
    transport.end(first!, failed(first!, connectionLost))
    await clock.advance(500)
    assert.equal(transport.underWay.length, 1, 'tried, and hangs')
    uploader.add(imaginaries(5, 10, '/data/other'))
    await clock.advance(89_000)
    assert.equal(transport.underWay.length, 1)
    transport.answer = store
    await clock.advance(2000)
    assert.equal(uploader.taken, 1, 'all but the one that hangs')
  })

  test('but does not take a first upload for hung that gets on, however slowly', async () => {
    const { uploader, transport, clock } = new TestUploader()
    uploader.add([imaginary('/data/l', { sizeBytes: 50 * MiB })])
    const [first] = transport.underWay
    transport.end(first!, failed(first!, connectionLost))
    await clock.advance(500)
    uploader.add(imaginaries(5, 10))
    for (let n = 1; n <= 10; n += 1) {
      uploader.onProgress([{ shardId: transport.underWay[0]!.id, sentBytes: n * 1000 }])
      await clock.advance(60_000)
    }
    assert.equal(transport.underWay.length, 1)
    await clock.advance(40_000)
    assert.equal(transport.underWay.length, 2)
  })

  test('when somebody sets the clock by years', async () => {
    const { uploader, transport, clock } = await cutOff()
    clock.setWall(0)
    transport.probeAnswer = () => undefined
    transport.answer = store
    await clock.advance(15_000)
    assert.equal(uploader.taken, 0)
  })

  test('after a wait that the machine slept through', async () => {
    const { uploader, transport, clock } = await cutOff()
    clock.pass(10 * 3_600_000)
    transport.probeAnswer = () => undefined
    transport.answer = store
    await clock.advance(1)
    assert.equal(uploader.taken, 0)
  })

  test('from descriptors that have run out, within a second, with nothing held against a file', async () => {
    let isShort = true
    const { uploader, clock, settler } = new TestUploader((shard) =>
      isShort ? answered(shard, () => ({ status: 'unreadable', errno: 'EMFILE' })) : store(shard),
    )
    uploader.add([imaginary('/data/l', { sizeBytes: 5 * MiB }), ...imaginaries(100, 10)])
    await settled()
    assert.equal(uploader.linkFailure?.kind, 'device_busy')
    isShort = false
    await clock.advance(500)
    assert.equal(settler.settled.length, 101)
    assert.deepEqual(settler.retried, [])
  })
})

describe('while everything waits', () => {
  test('the receiver is asked who it is before any byte of a file goes out', async () => {
    const { uploader, transport, clock } = new TestUploader((s) => failed(s, refused(503)))
    transport.probeAnswer = () => refused(503)
    uploader.add(imaginaries(4000, 4096))
    await settled()
    const sent = transport.shards.length
    await clock.advance(600_000)
    assert.equal(transport.shards.length, sent)
    assert.ok(transport.probes > 10, `${transport.probes}`)
    await uploader.stop(0)
  })

  test('an idle uploader with an open link has no timer and looks at nothing', async () => {
    let looks = 0
    const { uploader, clock } = new TestUploader(store, {
      networkState: () => {
        looks += 1
        return elsewhere
      },
    })
    uploader.add(imaginaries(1000, 10))
    await uploader.whenIdle()
    const looksMeanwhile = looks
    await clock.advance(3_600_000)
    assert.equal(looks, looksMeanwhile)
    assert.equal(clock.sleepers, 0)
  })

  test('stopping waits for no question that is under way', async () => {
    const { uploader, transport, clock } = new TestUploader((s) => failed(s, connectionLost))
    transport.probeAnswer = () => new Promise(() => {})
    uploader.add([imaginary('/data/a')])
    await clock.advance(500)
    assert.equal(transport.probes, 1)
    await uploader.stop(0)
    await clock.advance(600_000)
    assert.equal(transport.probes, 1)
  })

  test('the log says when it begins and when it is over, and not each time of a flapping link', async () => {
    let works = true
    const { uploader, clock, log } = new TestUploader((shard) =>
      works ? store(shard) : failed(shard, connectionLost),
    )
    for (let n = 0; n < 100; n += 1) {
      works = n % 2 === 0
      uploader.add(imaginaries(3, 10, `/data/${n}-`))
      await clock.advance(500)
      works = true
      await clock.advance(2000)
    }
    assert.deepEqual(log.events, ['uploads_held', 'uploads_resumed'])
  })
})
