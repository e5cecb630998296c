import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NetworkState } from '../../src/probe/network-state.ts'
import type { Shard } from '../../src/wire/thread-messages.ts'
import {
  answered,
  connectionLost,
  failed,
  refused,
  storedImaginary,
} from '../support/fake-transport.ts'
import { imaginary } from './candidates.ts'
import { TestUploader } from './test-uploader.ts'

const store = (shard: Shard) => answered(shard, storedImaginary)
const withCable: NetworkState = {
  fingerprint: 'eth0 10.0.0.2/24',
  hasAddress: true,
  addresses: ['127.0.0.1', '10.0.0.2'],
}
const cableOut: NetworkState = { fingerprint: '', hasAddress: false, addresses: ['127.0.0.1'] }

describe('an address that vanishes', () => {
  test('is told to the connections within a second while an upload is under way', async () => {
    const test = new TestUploader()
    const { uploader, transport, clock } = test
    test.network = withCable
    uploader.add([imaginary('/data/a')])
    await clock.advance(1000)
    assert.deepEqual(transport.addresses, [])
    test.network = cableOut
    await clock.advance(1000)
    assert.deepEqual(transport.addresses, [cableOut.addresses])
    await clock.advance(60_000)
    assert.equal(transport.addresses.length, 1, 'and only once')
  })

  test('is told while a question to the receiver is under way', async () => {
    const test = new TestUploader((shard) => failed(shard, refused(503)))
    const { uploader, transport, clock } = test
    test.network = withCable
    transport.probeAnswer = () => new Promise(() => {})
    uploader.add([imaginary('/data/a')])
    await clock.advance(1000)
    assert.equal(transport.probes, 1)
    test.network = cableOut
    await clock.advance(1000)
    assert.deepEqual(transport.addresses, [cableOut.addresses])
  })

  test('while nothing was under way is told when something is', async () => {
    const test = new TestUploader(store)
    const { uploader, transport, clock } = test
    test.network = withCable
    uploader.add([imaginary('/data/a')])
    await uploader.whenIdle()
    test.network = cableOut
    await clock.advance(3_600_000)
    assert.deepEqual(transport.addresses, [])
    transport.answer = () => undefined
    uploader.add([imaginary('/data/b')])
    await clock.advance(1000)
    assert.deepEqual(transport.addresses, [cableOut.addresses])
  })

  test('says nothing of connections where the system does not tell which there are', async () => {
    const test = new TestUploader()
    const { uploader, transport, clock } = test
    test.network = withCable
    uploader.add([imaginary('/data/a')])
    test.network = { fingerprint: 'route', hasAddress: false }
    await clock.advance(1000)
    assert.deepEqual(transport.addresses, [])
  })
})

describe('the receiver', () => {
  test('can be had again as soon as it answers a question, and not since the last failure', async () => {
    const { uploader, transport, clock } = new TestUploader((s) => failed(s, connectionLost))
    assert.equal(uploader.isReachable, true)
    let answersQuestions = false
    transport.probeAnswer = () => (answersQuestions ? undefined : connectionLost)
    uploader.add([imaginary('/data/a')])
    await clock.advance(1000)
    assert.equal(uploader.isReachable, false)
    answersQuestions = true
    transport.answer = () => undefined
    await clock.advance(60_000)
    assert.equal(transport.underWay.length, 1)
    assert.equal(uploader.isReachable, true)
    assert.notEqual(uploader.linkFailure, undefined)
    transport.end(transport.underWay[0]!, failed(transport.underWay[0]!, connectionLost))
    await clock.advance(1)
    assert.equal(uploader.isReachable, false)
  })
})

describe('a large file that goes on where it broke off', () => {
  const file = imaginary('/data/large', { sizeBytes: 900 * 1024 * 1024 })

  test('proves the link only by what was sent this time', async () => {
    const test = new TestUploader((s) => failed(s, connectionLost))
    const { uploader, transport, clock } = test
    uploader.add([file, imaginary('/data/other', { sizeBytes: 900 * 1024 * 1024 })])
    transport.answer = () => undefined
    await clock.advance(1000)
    const [trial] = transport.underWay
    const fromByte = 100 * 1024 * 1024
    uploader.onProgress([{ shardId: trial!.id, sentBytes: fromByte + 1000, fromByte }])
    assert.equal(transport.underWay.length, 1)
    uploader.onProgress([{ shardId: trial!.id, sentBytes: fromByte + 4 * 1024 * 1024, fromByte }])
    assert.equal(transport.underWay.length, 2)
  })
})
