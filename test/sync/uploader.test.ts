import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Candidate } from '../../src/scan/candidate.ts'
import type { FileResult, Shard, ShardFile } from '../../src/wire/thread-messages.ts'
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
const store = (shard: Shard) => answered(shard, storedImaginary)
const badManifest = refused(422, { problemCode: 'bad_manifest' })
const paths = (files: readonly Candidate[]) => files.map(({ path }) => path)
const large = (name: string) => imaginary(`/data/${name}`, { sizeBytes: 5 * MiB })

/** Whether a promise has resolved by now. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  void promise.then(() => {
    done = true
  })
  await settled()
  return done
}

describe('the uploader', () => {
  test('sees every file to its end and keeps nothing of it', async () => {
    const { uploader, settler, transport } = new TestUploader(store)
    const files = imaginaries(10_000, 4096)
    uploader.add(files)
    await uploader.whenIdle()
    assert.deepEqual(settler.settled.toSorted(), paths(files).toSorted())
    assert.equal(uploader.taken, 0)
    assert.equal(uploader.waitingFiles, 0)
    assert.equal(uploader.waitingBytes, 0)
    assert.deepEqual(uploader.uploads(), [])
    assert.ok(transport.shards.length < 200, `${transport.shards.length} uploads`)
  })

  test('takes a file once until it is done with it', async () => {
    const { uploader, transport } = new TestUploader()
    const file = imaginary('/data/a')
    uploader.add([file, file])
    uploader.add([{ ...file }])
    assert.equal(uploader.taken, 1)
    assert.equal(uploader.isTaken(file.path), true)
    assert.deepEqual(transport.underWay.map(pathsOf), [[file.path]])
    transport.end(transport.underWay[0]!, store(transport.shards[0]!))
    await uploader.whenIdle()
    assert.equal(uploader.isTaken(file.path), false)
    uploader.add([file])
    assert.equal(transport.shards.length, 2)
  })

  test('still has a file while it is being settled', async () => {
    const { uploader, settler } = new TestUploader(store)
    const gate = Promise.withResolvers<void>()
    settler.before = () => gate.promise
    const file = imaginary('/data/a')
    uploader.add([file])
    await settled()
    assert.equal(uploader.isTaken(file.path), true)
    assert.equal(await isDone(uploader.whenIdle()), false)
    gate.resolve()
    await uploader.whenIdle()
    assert.equal(uploader.isTaken(file.path), false)
  })

  test('takes held files for taken until their time', async () => {
    const { uploader, held, clock } = new TestUploader()
    const file = imaginary('/data/a')
    held.hold(file, clock.monotonicMs(), 1)
    assert.equal(uploader.isTaken(file.path), true)
    await clock.advance(1000)
    assert.equal(uploader.isTaken(file.path), false)
  })

  test('shows what is under way', () => {
    const { uploader, transport } = new TestUploader()
    uploader.add([large('l'), ...imaginaries(3, 10)])
    uploader.onProgress([{ shardId: transport.underWay[0]!.id, sentBytes: 77 }])
    uploader.onProgress([{ shardId: 999, sentBytes: 1 }])
    assert.deepEqual(uploader.uploads(), [
      { path: '/data/l', files: 1, sizeBytes: 5 * MiB, sentBytes: 77 },
      { path: '/data/f0', files: 3, sizeBytes: 30, sentBytes: 0 },
    ])
  })

  test('has removals that are owed made up for, without an upload', async () => {
    const { uploader, transport, settler } = new TestUploader(store)
    const [a, b] = imaginaries(2, 10) as [Candidate, Candidate]
    settler.owed.add(a.path)
    uploader.add([a, b])
    assert.equal(uploader.taken, 2)
    await uploader.whenIdle()
    assert.deepEqual(settler.removedOwed, [a.path])
    assert.deepEqual(transport.shards.map(pathsOf), [[b.path]])
    assert.equal(uploader.taken, 0)
  })
})

describe('large and small files', () => {
  test('do not wait for each other', async () => {
    const { uploader, transport } = new TestUploader()
    uploader.add([large('l0'), large('l1'), large('l2'), ...imaginaries(5000, 4096)])
    const kinds = transport.underWay.map(({ kind }) => kind)
    assert.equal(kinds.filter((kind) => kind === 'single').length, 2)
    assert.equal(kinds.filter((kind) => kind === 'bundle').length, 6)
    // A large file is done: the next one comes although small ones wait.
    const [single] = transport.underWay.filter(({ kind }) => kind === 'single')
    transport.end(single!, store(single!))
    await settled()
    const singles = transport.underWay.filter(({ kind }) => kind === 'single')
    assert.deepEqual(singles.map(pathsOf), [['/data/l1'], ['/data/l2']])
  })

  test('take turns where there is one upload at a time', async () => {
    const one = { threads: 1, uploadsPerThread: 1, uploads: 1, singleUploads: 1 }
    const { uploader, transport } = new TestUploader(store, { concurrency: one })
    uploader.add([large('l0'), large('l1'), large('l2'), ...imaginaries(2000, 4096)])
    await uploader.whenIdle()
    const kinds = transport.shards.map(({ kind }) => kind)
    assert.deepEqual(kinds.slice(0, 6), [
      'single',
      'bundle',
      'single',
      'bundle',
      'single',
      'bundle',
    ])
  })

  test('invariant 7: are never more than 32 MiB and 64 uploads under way', async () => {
    const many = { threads: 16, uploadsPerThread: 4, uploads: 64, singleUploads: 2 }
    const { uploader, transport, clock } = new TestUploader(undefined, { concurrency: many })
    let most = 0
    let mostUploads = 0
    const count = () => {
      const bytes = transport.underWay.map(({ kind, files }) => {
        return kind === 'single' ? 2 * MiB : files.reduce((sum, file) => sum + file.sizeBytes, 0)
      })
      most = Math.max(
        most,
        bytes.reduce((sum, each) => sum + each, 0),
      )
      mostUploads = Math.max(mostUploads, bytes.length)
    }
    uploader.add([large('l0'), large('l1'), large('l2'), ...imaginaries(300, MiB - 1)])
    for (let n = 0; n < 300 && transport.underWay.length > 0; n += 1) {
      count()
      const shard = transport.underWay[0]!
      await clock.advance(1)
      transport.end(shard, store(shard))
      await settled()
    }
    assert.ok(most <= 32 * MiB, `${most} bytes`)
    assert.ok(most > 30 * MiB, `${most} bytes`)
    assert.ok(mostUploads <= 64)
    uploader.add(imaginaries(3000, 16_000, '/data/g'))
    while (transport.underWay.length > 0) {
      count()
      const shard = transport.underWay[0]!
      transport.end(shard, store(shard))
      await settled()
    }
    assert.ok(most <= 32 * MiB && mostUploads <= 64)
    assert.equal(uploader.taken, 0)
  })

  test('are no more than the settling can keep up with', async () => {
    const { uploader, transport, settler } = new TestUploader(store)
    const gate = Promise.withResolvers<void>()
    settler.before = () => gate.promise
    uploader.add(imaginaries(5000, 100_000))
    await settled()
    const started = transport.shards.length
    assert.ok(started < 25, `${started} uploads were started`)
    gate.resolve()
    await uploader.whenIdle()
    assert.equal(uploader.taken, 0)
  })
})

describe('invariant 4: one bad file', () => {
  const poison = imaginary('/data/poison')

  /** Turns down every message that the poison is in. */
  const refusePoison = (status: number, problemCode?: string) => (shard: Shard) => {
    const failure = refused(status, problemCode === undefined ? {} : { problemCode })
    return pathsOf(shard).includes(poison.path) ? failed(shard, failure) : store(shard)
  }

  test('in a bundle leaves the others alone, and is alone at last', async () => {
    const { uploader, transport, settler } = new TestUploader(refusePoison(400))
    const good = imaginaries(999, 10)
    uploader.add([...good.slice(0, 400), poison, ...good.slice(400)])
    await uploader.whenIdle()
    assert.deepEqual(settler.settled.toSorted(), paths(good).toSorted())
    assert.deepEqual(settler.retried, [poison.path])
    assert.ok(transport.shards.length <= 25, `${transport.shards.length} uploads`)
    assert.deepEqual(pathsOf(transport.shards.findLast((s) => pathsOf(s).includes(poison.path))!), [
      poison.path,
    ])
  })

  test('is set aside after it was turned down alone three times', async () => {
    const { uploader, settler, clock, held } = new TestUploader(refusePoison(422, 'bad_manifest'))
    for (let n = 0; n < 3; n += 1) {
      assert.deepEqual(settler.setAsideFiles, [])
      uploader.add([poison])
      await uploader.whenIdle()
      await clock.advance(600_000)
    }
    assert.deepEqual(settler.setAsideFiles, [poison.path])
    assert.equal(settler.retried.length, 2)
    assert.equal(held.size, 0)
  })

  test('that is too large for the receiver is held, never set aside', async () => {
    const { uploader, settler, clock } = new TestUploader(refusePoison(413))
    for (let n = 0; n < 6; n += 1) {
      uploader.add([poison, imaginary(`/data/good${n}`)])
      await uploader.whenIdle()
      await clock.advance(600_000)
    }
    assert.equal(settler.retried.length, 6)
    assert.deepEqual(settler.setAsideFiles, [])
    assert.equal(settler.settled.length, 6)
  })

  test('that cannot be read or has changed has no part in what becomes of the others', async () => {
    const results: Record<string, FileResult> = {
      '/data/f0': { status: 'changed' },
      '/data/f1': { status: 'unreadable', errno: 'EIO' },
      '/data/f2': { status: 'gone' },
    }
    const answer = (file: ShardFile) => results[file.path] ?? storedImaginary(file)
    const { uploader, settler } = new TestUploader((shard) => answered(shard, answer))
    const files = imaginaries(100, 10)
    uploader.add(files)
    await uploader.whenIdle()
    assert.equal(settler.settled.length, 100)
    assert.equal(uploader.taken, 0)
  })

  test('and nine others that are turned down with none taken: then it is not the files', async () => {
    const { uploader, settler, clock, log } = new TestUploader((shard) =>
      failed(shard, badManifest),
    )
    const files = imaginaries(64, 10)
    for (let n = 0; n < 20; n += 1) {
      uploader.add(files)
      await clock.advance(1000)
    }
    assert.deepEqual(settler.setAsideFiles, [])
    assert.deepEqual(log.events, ['uploads_held'])
    assert.ok(uploader.taken > 0, 'they wait')
    await uploader.stop(0)
  })

  test('with which the receiver fails does not keep the others of its bundle for ever', async () => {
    const { uploader, settler, clock } = new TestUploader(refusePoison(500))
    const good = imaginaries(255, 10)
    uploader.add([...good, poison])
    await clock.advance(30_000)
    await uploader.whenIdle()
    assert.deepEqual(settler.settled.toSorted(), paths(good).toSorted())
    assert.deepEqual(settler.retried, [poison.path])
    assert.deepEqual(settler.setAsideFiles, [])
  })

  test('after the other is set aside, however many, while good ones go through', async () => {
    const isPoison = (path: string) => path.startsWith('/data/poison')
    const { uploader, settler, clock } = new TestUploader((shard) => {
      return pathsOf(shard).some(isPoison) ? failed(shard, badManifest) : store(shard)
    })
    const poisons = imaginaries(20, 10, '/data/poison')
    for (let round = 0; round < 3; round += 1) {
      for (const [n, each] of poisons.entries()) {
        uploader.add([each])
        await uploader.whenIdle()
        uploader.add([imaginary(`/data/good${round}-${n}`)])
        await uploader.whenIdle()
      }
      await clock.advance(600_000)
    }
    assert.deepEqual(settler.setAsideFiles, paths(poisons))
    assert.equal(uploader.linkFailure, undefined)
  })

  test('of which a thread does not say what became is tried later, not at once', async () => {
    const silent: FileResult = { status: 'not_sent' }
    const { uploader, settler, transport } = new TestUploader((shard) =>
      answered(shard, () => silent),
    )
    uploader.add([poison])
    await uploader.whenIdle()
    assert.deepEqual(settler.retried, [poison.path])
    assert.equal(transport.shards.length, 1)
  })
})

describe('when the receiver cannot be reached', () => {
  test('everything waits, and one upload finds out whether it is back', async () => {
    const { uploader, transport, clock, settler } = new TestUploader()
    uploader.add(imaginaries(4000, 4096))
    assert.equal(transport.underWay.length, 8)
    for (const shard of transport.underWay) transport.end(shard, failed(shard, connectionLost))
    await settled()
    assert.equal(transport.underWay.length, 0)
    assert.equal(uploader.taken, 4000)
    assert.equal(uploader.linkFailure?.kind, 'connection_lost')
    await clock.advance(499)
    assert.equal(transport.underWay.length, 0)
    await clock.advance(1)
    assert.equal(transport.underWay.length, 1, 'a probe')
    const [probe] = transport.underWay
    transport.end(probe!, failed(probe!, connectionLost))
    await clock.advance(999)
    assert.equal(transport.underWay.length, 0)
    await clock.advance(1)
    assert.equal(transport.underWay.length, 1)
    transport.answer = store
    transport.end(transport.underWay[0]!, store(transport.underWay[0]!))
    await uploader.whenIdle()
    assert.equal(uploader.linkFailure, undefined)
    assert.equal(settler.settled.length, 4000)
  })

  test('the log says so once', async () => {
    const { uploader, clock, log } = new TestUploader((shard) => failed(shard, connectionLost))
    uploader.add(imaginaries(4000, 4096))
    await clock.advance(30 * 60_000)
    assert.deepEqual(log.events, ['uploads_held'])
    await uploader.stop(0)
  })

  test('a storm of failures does not lengthen the wait', async () => {
    const { uploader, transport, clock } = new TestUploader()
    uploader.add(imaginaries(4000, 4096))
    for (const shard of transport.underWay) {
      transport.end(shard, failed(shard, connectionLost))
      await clock.advance(10)
    }
    assert.ok(clock.sleepsMs[0]! <= 500, `${clock.sleepsMs}`)
    await uploader.stop(0)
  })

  test('an upload from before that still hangs does not keep a probe waiting', async () => {
    const { uploader, transport, clock } = new TestUploader()
    uploader.add([large('hours'), ...imaginaries(10, 4096)])
    const [single, bundle] = transport.underWay
    assert.equal(single!.kind, 'single')
    transport.end(bundle!, failed(bundle!, connectionLost))
    await clock.advance(500)
    assert.equal(transport.underWay.length, 2, 'the large file and a probe')
    const probe = transport.underWay.at(-1)!
    assert.equal(probe.kind, 'bundle')
    transport.end(probe, store(probe))
    await settled()
    assert.equal(uploader.linkFailure, undefined)
  })

  test('a small upload is the probe, if there is one', async () => {
    const { uploader, transport, clock } = new TestUploader((shard) =>
      failed(shard, connectionLost),
    )
    uploader.add([large('a'), large('b'), ...imaginaries(10, 10)])
    await clock.advance(5000)
    const probes = transport.shards.slice(3)
    assert.ok(probes.length > 2)
    assert.ok(probes.every(({ kind }) => kind === 'bundle'))
    await uploader.stop(0)
  })

  test('a large probe that gets on shows that the link works', async () => {
    const { uploader, transport, clock } = new TestUploader()
    uploader.add([large('a'), large('b')])
    for (const shard of transport.underWay) transport.end(shard, failed(shard, connectionLost))
    await clock.advance(500)
    const [probe] = transport.underWay
    assert.equal(transport.underWay.length, 1)
    uploader.add(imaginaries(10, 10))
    uploader.onProgress([{ shardId: probe!.id, sentBytes: 4 * MiB - 1 }])
    assert.equal(transport.underWay.length, 1, 'so much fits into buffers')
    uploader.onProgress([{ shardId: probe!.id, sentBytes: 4 * MiB }])
    assert.equal(transport.underWay.length, 3)
    assert.equal(uploader.linkFailure, undefined)
  })

  test('an upload of files that cannot even be read says nothing about it', async () => {
    let reachable = false
    const { uploader, transport, clock } = new TestUploader((shard) => {
      const isUnreadable = pathsOf(shard).every((path) => path.startsWith('/data/bad'))
      if (isUnreadable) return answered(shard, () => ({ status: 'gone' }))
      return reachable ? store(shard) : failed(shard, refused(503))
    })
    uploader.add(imaginaries(1, 1_000_000))
    await clock.advance(500)
    uploader.add(imaginaries(1, 1_000_000, '/data/bad'))
    await clock.advance(3000)
    assert.notEqual(uploader.linkFailure, undefined)
    assert.ok(transport.shards.some((shard) => pathsOf(shard)[0]!.startsWith('/data/bad')))
    assert.equal(clock.sleepsMs.at(-1), 4000, 'the wait after the fourth failure, not a first')
    reachable = true
    await clock.advance(60_000)
    assert.equal(uploader.linkFailure, undefined)
  })

  test('Retry-After is obeyed', async () => {
    const failure = refused(503, { retryAfterMs: 45_000 })
    const { uploader, transport, clock } = new TestUploader((shard) => failed(shard, failure), {
      random: () => 0,
    })
    uploader.add([imaginary('/data/a')])
    await settled()
    await clock.advance(44_999)
    assert.equal(transport.shards.length, 1)
    await clock.advance(1)
    assert.equal(transport.shards.length, 2)
    await uploader.stop(0)
  })

  test('Retry-After: 0 does not make it hammer the receiver', async () => {
    const failure = refused(503, { retryAfterMs: 0 })
    const { uploader, transport, clock } = new TestUploader((shard) => failed(shard, failure))
    uploader.add(imaginaries(4000, 4096))
    await clock.advance(60_000)
    assert.ok(transport.shards.length < 8 + 10, `${transport.shards.length} uploads in a minute`)
    await uploader.stop(0)
  })

  test('an absurd Retry-After is no timer that fires at once', async () => {
    const failure = refused(503, { retryAfterMs: 1e12 })
    const { uploader, clock } = new TestUploader((shard) => failed(shard, failure))
    uploader.add([imaginary('/data/a')])
    await settled()
    assert.deepEqual(clock.sleepsMs, [3_600_000])
    await uploader.stop(0)
  })

  test('wrong credentials are looked at every quarter of an hour', async () => {
    const { uploader, transport, clock, log } = new TestUploader((s) => failed(s, refused(401)))
    transport.probeAnswer = () => refused(401)
    uploader.add([imaginary('/data/a')])
    await clock.advance(500)
    assert.equal(transport.probes, 1, 'it may have been for that file only')
    await clock.advance(4 * 990_000)
    assert.equal(transport.probes, 5)
    assert.equal(transport.shards.length, 1, 'no byte of a file is sent to somebody who refuses us')
    assert.deepEqual(log.events, ['uploads_held', 'uploads_held'], 'once an hour')
    await uploader.stop(0)
  })

  test('a shorter wait is not lost behind a longer one that is over', async () => {
    const { uploader, transport, clock } = new TestUploader()
    uploader.add(imaginaries(600, 4096))
    const [first, second, third, ...others] = transport.underWay
    transport.end(first!, failed(first!, refused(503, { retryAfterMs: 900_000 })))
    await settled()
    assert.ok(clock.sleepsMs.includes(990_000))
    transport.end(second!, store(second!))
    await settled()
    for (const shard of others) transport.end(shard, store(shard))
    await settled()
    for (const shard of transport.underWay.filter((shard) => shard !== third)) {
      transport.end(shard, failed(shard, connectionLost))
    }
    await settled()
    transport.answer = store
    transport.end(third!, store(third!))
    await clock.advance(2000)
    assert.equal(uploader.taken, 0, 'nobody waits for the quarter of an hour')
  })

  test('a thread that dies loses nothing', async () => {
    const { uploader, transport, clock, settler } = new TestUploader()
    uploader.add([large('l'), ...imaginaries(10, 10)])
    for (const shard of transport.underWay) transport.die(shard)
    await settled()
    assert.match(uploader.linkFailure!.detail, /thread ended: out of memory/)
    transport.answer = store
    await clock.advance(500)
    await uploader.whenIdle()
    assert.equal(settler.settled.length, 11)
  })

  test('a transport that throws is one whose thread died', async () => {
    const { uploader, clock } = new TestUploader(() => {
      throw new Error('no more threads')
    })
    uploader.add([imaginary('/data/a')])
    await settled()
    assert.match(uploader.linkFailure!.detail, /no more threads/)
    await clock.advance(1)
    await uploader.stop(0)
  })
})

describe('a single pass', () => {
  const pass = { giveUpAfterFailures: 3 }
  const longWait = refused(503, { retryAfterMs: 3_600_000 })

  test('gives up after three tries, and tells of every file', async () => {
    const { uploader, clock, givenUp } = new TestUploader((s) => failed(s, connectionLost), pass)
    const files = [large('l'), ...imaginaries(3000, 4096)]
    uploader.add(files)
    const idle = uploader.whenIdle()
    await clock.advance(499)
    assert.equal(uploader.gaveUp, false)
    await clock.advance(1001)
    assert.equal(uploader.gaveUp, true)
    await idle
    assert.deepEqual(givenUp.toSorted(), paths(files).toSorted())
    assert.equal(uploader.taken, 0)
    assert.equal(uploader.linkFailure?.kind, 'connection_lost')
    assert.equal(clock.sleepers, 0)
  })

  test('counts failures that happen together once', async () => {
    const { uploader, transport } = new TestUploader(undefined, pass)
    uploader.add(imaginaries(4000, 4096))
    for (const shard of transport.underWay) {
      transport.end(shard, failed(shard, refused(503, { retryAfterMs: 1000 })))
    }
    await settled()
    assert.equal(uploader.gaveUp, false)
    await uploader.stop(0)
  })

  test('gives up at once for what a person must mend, and for a wait of more than seconds', async () => {
    for (const failure of [refused(401), refused(507, { retryAfterMs: 60_000 })]) {
      const test = new TestUploader((shard) => failed(shard, failure), pass)
      const { uploader, givenUp, transport, clock } = test
      transport.probeAnswer = () => failure
      uploader.add(imaginaries(100, 10))
      await clock.advance(500)
      await uploader.whenIdle()
      assert.equal(uploader.gaveUp, true)
      assert.equal(givenUp.length, 100)
    }
  })

  test('waits for a few seconds when it is asked to', async () => {
    let asked = 0
    const { uploader, clock, settler } = new TestUploader((shard) => {
      asked += 1
      return asked === 1 ? failed(shard, refused(503, { retryAfterMs: 5000 })) : store(shard)
    }, pass)
    uploader.add([imaginary('/data/a')])
    await clock.advance(5500)
    await uploader.whenIdle()
    assert.equal(uploader.gaveUp, false)
    assert.equal(settler.settled.length, 1)
  })

  test('that has given up takes what is found later for given up, too', async () => {
    const { uploader, givenUp, transport } = new TestUploader((s) => failed(s, longWait), pass)
    uploader.add([imaginary('/data/a')])
    await uploader.whenIdle()
    uploader.add([imaginary('/data/b'), large('c')])
    await uploader.whenIdle()
    assert.deepEqual(givenUp, ['/data/a', '/data/b', '/data/c'])
    assert.equal(transport.shards.length, 1)
  })

  test('that has given up waits for no halves of a bundle', async () => {
    const { uploader, transport, givenUp } = new TestUploader(undefined, pass)
    uploader.add(imaginaries(600, 4096))
    const [a, b] = transport.underWay
    transport.end(a!, failed(a!, longWait))
    await settled()
    transport.end(b!, failed(b!, refused(400)))
    for (const shard of transport.underWay) transport.end(shard, store(shard))
    await uploader.whenIdle()
    assert.equal(uploader.taken, 0)
    assert.ok(givenUp.length > 0)
  })

  test('lets what is under way come to its end', async () => {
    const { uploader, transport, settler } = new TestUploader(undefined, pass)
    uploader.add(imaginaries(600, 4096))
    const [a, ...others] = transport.underWay
    transport.end(a!, failed(a!, longWait))
    await settled()
    for (const shard of others) transport.end(shard, store(shard))
    await uploader.whenIdle()
    assert.ok(settler.settled.length > 0)
    assert.equal(uploader.gaveUp, true)
  })
})

describe('stopping', () => {
  test('starts nothing more and waits for what is under way', async () => {
    const { uploader, transport, clock, settler } = new TestUploader()
    uploader.add(imaginaries(4000, 4096))
    const stopped = uploader.stop(10_000)
    assert.equal(await isDone(stopped), false)
    for (const shard of transport.underWay) transport.end(shard, store(shard))
    await stopped
    assert.equal(transport.underWay.length, 0)
    assert.equal(transport.shards.length, 8)
    assert.ok(settler.settled.length > 0)
    assert.equal(transport.stops, 0)
    assert.equal(clock.sleepers, 0)
  })

  test('breaks large uploads off when patience is over', async () => {
    const { uploader, transport, clock } = new TestUploader()
    uploader.add([large('l')])
    transport.onStop = () => {
      const [shard] = transport.underWay
      transport.end(shard!, failed(shard!, { kind: 'stopped', detail: '' }))
    }
    const stopped = uploader.stop(10_000)
    await clock.advance(9_999)
    assert.equal(transport.stops, 0)
    await clock.advance(1)
    assert.equal(transport.stops, 1)
    await stopped
    assert.equal(uploader.waitingFiles, 1, 'it waits as before')
    assert.equal(uploader.linkFailure, undefined)
    assert.equal(clock.sleepers, 0)
  })

  test('waits until what has arrived is settled', async () => {
    const { uploader, settler } = new TestUploader(store)
    const gate = Promise.withResolvers<void>()
    settler.before = () => gate.promise
    uploader.add(imaginaries(10, 10))
    await settled()
    const stopped = uploader.stop(0)
    assert.equal(await isDone(stopped), false)
    gate.resolve()
    await stopped
    assert.equal(settler.settled.length, 10)
  })

  test('lets nobody wait for room or for the end', async () => {
    const { uploader, transport, clock } = new TestUploader()
    uploader.add(imaginaries(4000, 4096))
    for (const shard of transport.underWay) transport.end(shard, failed(shard, refused(401)))
    await settled()
    const waiting = [uploader.whenBelow(10), uploader.whenIdle()]
    assert.equal(await isDone(Promise.race(waiting)), false)
    uploader.halt()
    await Promise.all(waiting)
    await uploader.stop(0)
    assert.equal(clock.sleepers, 0, 'no timer keeps the process alive')
  })

  test('takes nothing more', async () => {
    const { uploader, transport } = new TestUploader(store)
    await uploader.stop(0)
    uploader.add(imaginaries(10, 10))
    assert.equal(uploader.taken, 0)
    assert.equal(transport.shards.length, 0)
  })

  test('may be asked for twice, and with nothing to do', async () => {
    const { uploader, clock } = new TestUploader()
    await Promise.all([uploader.stop(1000), uploader.stop(1000)])
    await uploader.stop(0)
    assert.equal(clock.sleepers, 0)
  })
})

describe('waiting', () => {
  test('for room ends when few enough wait, and not before', async () => {
    const { uploader, transport } = new TestUploader()
    uploader.add(imaginaries(4000, 4096))
    await uploader.whenBelow(4000)
    const below = uploader.whenBelow(3000)
    assert.equal(await isDone(below), false)
    transport.answer = store
    for (const shard of transport.underWay) transport.end(shard, store(shard))
    await below
  })

  test('for the end does not begin when there is nothing', async () => {
    await new TestUploader().uploader.whenIdle()
  })

  for (const [what, answer] of [
    ['stored', store],
    ['turned down', (shard: Shard) => failed(shard, refused(400))],
    ['too large', (shard: Shard) => failed(shard, refused(413))],
    ['gone', (shard: Shard) => answered(shard, () => ({ status: 'gone' }))],
    ['forgotten by its thread', (shard: Shard) => ({ ...store(shard), files: [] })],
  ] as const) {
    test(`for the end comes to one when a file is ${what}`, async () => {
      const { uploader } = new TestUploader(answer)
      uploader.add([imaginary('/data/a'), large('l')])
      await uploader.whenIdle()
      assert.equal(uploader.taken, 0)
    })
  }

  test('for the end comes to one when the settling has a bug; the file is the next scan’s', async () => {
    const { uploader, settler, log, transport } = new TestUploader(store)
    settler.before = async () => {
      throw new Error('a bug')
    }
    settler.owed.add(imaginary('/data/owed').path)
    uploader.add([imaginary('/data/a'), imaginary('/data/owed')])
    await uploader.whenIdle()
    await uploader.stop(0)
    assert.equal(uploader.taken, 0)
    assert.deepEqual(log.events, ['internal_error', 'internal_error'])
    assert.match(String(log.lines[0]!.fields?.error), /a bug/)
    assert.equal(transport.shards.length, 1)
  })

  test('for the end comes to one after a long and mixed life', async () => {
    let seed = 42
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed / 2 ** 31
    }
    const outcomes: ((shard: Shard) => ReturnType<typeof failed>)[] = [
      store,
      store,
      store,
      (shard) => failed(shard, connectionLost),
      (shard) => failed(shard, refused(400)),
      (shard) => failed(shard, refused(413)),
      (shard) => failed(shard, refused(503, { retryAfterMs: 1000 })),
      (shard) =>
        answered(shard, (file) => (random() < 0.5 ? { status: 'changed' } : storedImaginary(file))),
      (shard) => answered(shard, () => ({ status: 'not_sent' })),
    ]
    let calm = false
    const test = new TestUploader((shard) => {
      if (calm) return store(shard)
      if (random() < 0.05) throw new Error('the thread died')
      return outcomes[Math.floor(random() * outcomes.length)]!(shard)
    })
    for (let round = 0; round < 40; round += 1) {
      const files = imaginaries(50, Math.floor(random() * 2 * MiB), `/data/${round}/`)
      test.uploader.add(files)
      await test.clock.advance(random() * 2000)
    }
    calm = true
    const idle = test.uploader.whenIdle()
    await test.clock.advance(3_600_000)
    await idle
    assert.equal(test.uploader.taken, 0)
    assert.equal(test.uploader.waitingFiles, 0)
    assert.equal(test.uploader.waitingBytes, 0)
    assert.deepEqual(test.uploader.uploads(), [])
    assert.deepEqual(
      test.log.events.filter((event) => event === 'internal_error'),
      [],
    )
  })
})
