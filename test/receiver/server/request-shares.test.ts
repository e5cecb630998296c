import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestShares } from '../../../src/receiver/server/request-shares.ts'
import { buildMessage } from '../../support/message.ts'
import { frameTypes, RawHttp2, uploadRequest } from '../support/raw-http2.ts'
import { startRunning, until, upload } from '../support/receiver.ts'

function fill(shares: RequestShares, sender: string): number {
  let count = 0
  while (shares.enter(sender)) count += 1
  return count
}

test('invariant 9: one sender opens half of all requests, two a third each, and others find room.', () => {
  const shares = new RequestShares(120)
  assert.equal(fill(shares, 'mad'), 60)
  assert.equal(fill(shares, 'mad too'), 30)
  for (const sender of ['a', 'b', 'c']) assert.ok(shares.enter(sender))
  assert.equal(shares.free, 27)
  for (let count = 0; count < 60; count += 1) shares.leave('mad')
  assert.ok(shares.enter('mad too'))
})

test('What is left of a share comes back, to the last one.', () => {
  const shares = new RequestShares(3)
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((sender) => shares.enter(sender)),
    [true, true, true, false],
  )
  for (const sender of ['a', 'b', 'c']) shares.leave(sender)
  assert.equal(shares.free, 3)
})

test('invariant 7: requests beyond the share of a machine are reset, and those of others are served.', async (t) => {
  // Room for 256 requests.
  const receiver = await startRunning(t, { memoryBytes: 32 * 1024 * 1024 })
  const second = await receiver.addMachine('second')
  const peers: RawHttp2[] = []
  for (let count = 0; count < 3; count += 1) {
    const peer = await RawHttp2.connect(t, receiver.port, receiver.caPem)
    peer.acknowledgeSettings()
    for (let index = 0; index < 100; index += 1) {
      peer.openStream(index * 2 + 1, uploadRequest(receiver.robot, 1000))
    }
    peers.push(peer)
  }
  const resets = () =>
    peers.reduce((sum, peer) => sum + peer.received(frameTypes.resetStream).length, 0)
  await until(() => resets() === 300 - 128)
  const message = buildMessage([{ path: '/a', bytes: 'a' }])
  assert.equal((await upload(receiver.connect(), second, message)).status, 200)
  // They leave, and their room is there again.
  for (const peer of peers) peer.socket.destroy()
  await until(() =>
    upload(receiver.connect(), receiver.robot, message).then(
      ({ status }) => status === 200,
      () => false,
    ),
  )
})
