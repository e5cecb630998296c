import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Candidate } from '../../src/scan/candidate.ts'
import type { Shard, ShardResult } from '../../src/wire/thread-messages.ts'
import type { TransferFailure } from '../../src/wire/transfer-failure.ts'
import { settled } from '../support/fake-clock.ts'
import {
  answered,
  connectionLost,
  failed,
  pathsOf,
  refused,
  storedImaginary,
} from '../support/fake-transport.ts'
import { imaginaries, imaginary } from './candidates.ts'
import { TestUploader } from './test-uploader.ts'

const MiB = 1024 * 1024
const poison = imaginary('/data/poison')
const store = (shard: Shard) => answered(shard, storedImaginary)
const holds = (shard: Shard) => pathsOf(shard).includes(poison.path)

/** What comes of any upload that the poison is in. */
const breaking = (failure: TransferFailure) => (shard: Shard) =>
  holds(shard) ? failed(shard, failure) : store(shard)

const unreadable: TransferFailure = { kind: 'answer_unreadable', detail: 'no outcomes' }
const stalled: TransferFailure = { kind: 'stalled', detail: 'nothing moved' }
const threadDied: TransferFailure = { kind: 'fault_here', detail: 'a worker thread ended' }

describe('invariant 4: a file', () => {
  for (const [what, failure] of [
    ['that breaks the connection each time', connectionLost],
    ['with which nothing moves any more', stalled],
    ['of which a thread dies', threadDied],
    ['after which the answer cannot be read', unreadable],
    ['with which the receiver fails', refused(500)],
    ['for which a firewall says 403', refused(403)],
    ['for which a proxy says 400', refused(400)],
    ['for which a proxy sends us elsewhere', refused(302)],
  ] as const) {
    test(`${what} is found, waits alone, and is never set aside; the others go through`, async () => {
      const { uploader, settler, clock } = new TestUploader(breaking(failure))
      const good = imaginaries(511, 10)
      uploader.add([...good.slice(0, 200), poison, ...good.slice(200)])
      await clock.advance(60_000)
      assert.deepEqual(settler.settled.length, good.length)
      assert.deepEqual(settler.retried, [poison.path])
      for (let n = 0; n < 20; n += 1) {
        uploader.add([poison, ...imaginaries(3, 10, `/data/more${n}-`)])
        await clock.advance(600_000)
      }
      assert.deepEqual(settler.setAsideFiles, [])
      assert.equal(settler.settled.length, good.length + 60)
      await uploader.stop(0)
    })
  }

  test('that has failed before comes alone: no other suffers from it again', async () => {
    const { uploader, clock, transport } = new TestUploader(breaking(connectionLost))
    uploader.add([...imaginaries(50, 10), poison])
    await clock.advance(60_000)
    const before = transport.shards.length
    uploader.add([poison, ...imaginaries(50, 10, '/data/later')])
    await clock.advance(60_000)
    const later = transport.shards.slice(before).filter(holds)
    assert.ok(later.length > 0)
    assert.deepEqual(later.map(pathsOf), Array(later.length).fill([poison.path]))
  })

  test('is not suspected when nothing gets through: that is the link', async () => {
    const { uploader, transport, clock, settler } = new TestUploader((shard) =>
      failed(shard, connectionLost),
    )
    transport.probeAnswer = () => connectionLost
    uploader.add([poison, ...imaginaries(500, 10)])
    await clock.advance(3_600_000)
    assert.deepEqual(settler.retried, [])
    assert.equal(uploader.waitingFiles, 501)
    await uploader.stop(0)
  })

  test('is not suspected when the receiver says that it is busy, however often', async () => {
    let isBusy = false
    const { uploader, clock, settler } = new TestUploader((shard) => {
      isBusy = !isBusy
      return isBusy || holds(shard) ? failed(shard, refused(503)) : store(shard)
    })
    uploader.add([poison, ...imaginaries(5, 10)])
    await clock.advance(600_000)
    assert.deepEqual(settler.retried, [])
    await uploader.stop(0)
  })

  test('that gets further each time is not suspected, however often it breaks off', async () => {
    const { uploader, transport, clock, settler } = new TestUploader()
    const huge = imaginary('/data/huge', { sizeBytes: 1000 * MiB })
    transport.answer = (shard) => (shard.kind === 'bundle' ? store(shard) : undefined)
    uploader.add([huge])
    for (let n = 1; n <= 30; n += 1) {
      await clock.advance(60_000)
      const [upload] = transport.underWay
      uploader.onProgress([{ shardId: upload!.id, sentBytes: n * MiB }])
      transport.end(upload!, failed(upload!, connectionLost))
      uploader.add(imaginaries(3, 10, `/data/between${n}-`))
    }
    await clock.advance(60_000)
    assert.deepEqual(settler.retried, [])
    assert.equal(settler.settled.length, 90)
    assert.equal(transport.underWay.length, 1)
  })

  test('of which the receiver has more each time is not suspected, however little is sent', async () => {
    const { uploader, transport, clock, settler } = new TestUploader()
    const huge = imaginary('/data/huge', { sizeBytes: 1000 * MiB })
    transport.answer = (shard) => (shard.kind === 'bundle' ? store(shard) : undefined)
    uploader.add([huge])
    for (let n = 1; n <= 20; n += 1) {
      await clock.advance(60_000)
      const [upload] = transport.underWay
      // Of what a connection takes over before it breaks, much is lost, now more and now less of it.
      const fromByte = n * 1000
      const sentBytes = fromByte + (n === 1 ? 3 * MiB : MiB)
      uploader.onProgress([{ shardId: upload!.id, sentBytes, fromByte }])
      transport.end(upload!, failed(upload!, connectionLost))
      uploader.add(imaginaries(3, 10, `/data/between${n}-`))
    }
    await clock.advance(60_000)
    assert.deepEqual(settler.retried, [])
  })

  test('that breaks off at the same place again and again waits, and others go first', async () => {
    const { uploader, transport, clock, settler } = new TestUploader()
    const huge = imaginary('/data/huge', { sizeBytes: 1000 * MiB })
    uploader.add([huge])
    for (let n = 0; n < 3; n += 1) {
      await clock.advance(60_000)
      const [upload] = transport.underWay
      uploader.onProgress([{ shardId: upload!.id, sentBytes: MiB }])
      transport.end(upload!, failed(upload!, connectionLost))
    }
    await settled()
    assert.deepEqual(settler.retried, [huge.path])
    assert.equal(uploader.taken, 0)
  })
})

describe('everything that is refused', () => {
  test('while the receiver says who we are is held as a whole after nine files, not one by one', async () => {
    const { uploader, transport, clock, settler } = new TestUploader((shard) =>
      failed(shard, refused(403)),
    )
    const files: Candidate[] = imaginaries(16, 2 * MiB)
    for (let n = 0; n < 60; n += 1) {
      uploader.add(files.filter(({ path }) => !uploader.isTaken(path)))
      await clock.advance(60_000)
    }
    const sentInAnHour = transport.shards.length
    await clock.advance(3_600_000)
    assert.ok(transport.shards.length - sentInAnHour <= 4, 'one file every quarter of an hour')
    assert.deepEqual(settler.setAsideFiles, [])
    await uploader.stop(0)
  })

  test('by a proxy with 400 has no file set aside', async () => {
    const { uploader, clock, settler } = new TestUploader((shard) => failed(shard, refused(400)))
    for (let n = 0; n < 50; n += 1) {
      uploader.add(imaginaries(4, 10))
      await clock.advance(600_000)
    }
    assert.deepEqual(settler.setAsideFiles, [])
    await uploader.stop(0)
  })
})

describe('the count before a file is set aside', () => {
  test('is of refusals by the receiver, not of other failures in between', async () => {
    const answers: TransferFailure[] = [refused(500), connectionLost, refused(413)]
    const { uploader, clock, settler, transport } = new TestUploader()
    transport.answer = (shard): ShardResult =>
      failed(shard, answers.shift() ?? refused(422, { problemCode: 'bad_manifest' }))
    for (let n = 0; n < 3; n += 1) {
      uploader.add([poison])
      await clock.advance(600_000)
    }
    const tries = () => transport.shards.length
    while (settler.setAsideFiles.length === 0 && tries() < 20) {
      uploader.add([poison])
      await clock.advance(600_000)
    }
    assert.deepEqual(settler.setAsideFiles, [poison.path])
    assert.equal(tries(), 6, 'three of another kind, three refusals')
  })

  test('starts afresh for a file that has changed', async () => {
    const { uploader, clock, settler } = new TestUploader((shard) =>
      failed(shard, refused(422, { problemCode: 'bad_manifest' })),
    )
    for (let n = 0; n < 10; n += 1) {
      uploader.add([{ ...poison, mtimeNs: BigInt(n) }])
      await clock.advance(600_000)
    }
    assert.deepEqual(settler.setAsideFiles, [])
  })
})
