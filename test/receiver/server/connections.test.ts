import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ClientHttp2Session } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { buildMessage } from '../../support/message.ts'
import { RawHttp2 } from '../support/raw-http2.ts'
import {
  answerOf,
  type RunningReceiver,
  startRunning,
  until,
  upload,
  uploadHeaders,
} from '../support/receiver.ts'

const message = buildMessage([{ path: '/a', bytes: 'a' }])

async function idleTcp(t: TestContext, port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1')
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

function dropped({ lines }: RunningReceiver): string[] {
  return lines.filter(({ event }) => event === 'connection_dropped').map((line) => line.message)
}

test('invariant 9: connections on which nobody shows who it is are bounded, and do not keep a machine out.', async (t) => {
  const limits = { strangers: 8, connections: 12 }
  const receiver = await startRunning(t, { limits })
  const member = receiver.connect()
  assert.equal((await upload(member, receiver.robot, message)).status, 200)
  const strangers: Socket[] = []
  for (let count = 0; count < 40; count += 1) strangers.push(await idleTcp(t, receiver.port))
  const open = () => strangers.filter(({ closed }) => !closed).length
  await until(() => open() === 8)
  assert.ok(
    strangers.slice(-8).every(({ closed }) => !closed),
    'the oldest went',
  )
  assert.equal((await upload(receiver.connect(), receiver.robot, message)).status, 200)
  assert.equal((await upload(member, receiver.robot, message)).status, 200)
  assert.deepEqual(dropped(receiver), [
    'a connection was dropped: on more than 8 connections nobody has shown who it is',
  ])
})

test('invariant 9: a machine that opens ever more connections loses its oldest, and others lose none.', async (t) => {
  const receiver = await startRunning(t, { limits: { connectionsPerMachine: 3 } })
  const other = receiver.connect()
  const second = await receiver.addMachine('second')
  assert.equal((await upload(other, second, message)).status, 200)
  const sessions: ClientHttp2Session[] = []
  for (let count = 0; count < 5; count += 1) {
    const session = receiver.connect()
    assert.equal((await upload(session, receiver.robot, message)).status, 200)
    sessions.push(session)
  }
  await until(() => sessions.filter(({ destroyed }) => destroyed).length === 2)
  assert.deepEqual(
    sessions.map(({ destroyed }) => destroyed),
    [true, true, false, false, false],
  )
  assert.equal((await upload(other, second, message)).status, 200)
  assert.deepEqual(dropped(receiver), [
    'a connection was dropped: robot has more than 3 connections',
  ])
})

test('When all connections are in use, that is in the log, and a place that gets free can be had.', async (t) => {
  const receiver = await startRunning(t, { limits: { connections: 2 } })
  const sessions = [receiver.connect(), receiver.connect()]
  for (const session of sessions) await upload(session, receiver.robot, message)
  const refused = await idleTcp(t, receiver.port)
  await until(() => refused.closed)
  assert.deepEqual(dropped(receiver), ['a connection was dropped: there are 2 already'])
  sessions[0]!.destroy()
  await until(() =>
    upload(receiver.connect(), receiver.robot, message).then(
      ({ status }) => status === 200,
      () => false,
    ),
  )
})

test('invariant 9: a bundle that trickles in is given up in the end, however often a byte comes.', async (t) => {
  const receiver = await startRunning(t, { limits: { bundleMs: 150 } })
  const session = receiver.connect()
  const stream = session.request(uploadHeaders(receiver.robot, message))
  const answer = answerOf(stream)
  const trickle = setInterval(() => stream.write(message.body.subarray(0, 1)), 5)
  t.after(() => clearInterval(trickle))
  assert.equal(await answer, undefined)
  clearInterval(trickle)
  assert.equal((await upload(session, receiver.robot, message)).status, 200)
})

test('invariant 9: header fields that trickle in hold a connection no longer than a stranger may.', async (t) => {
  const receiver = await startRunning(t, { limits: { strangerMs: 100 } })
  const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
  raw.acknowledgeSettings()
  // A HEADERS frame of 200 bytes, of which one comes now and then.
  raw.socket.write(Buffer.from([0, 0, 200, 1, 4, 0, 0, 0, 1]))
  const trickle = setInterval(() => raw.socket.write(Buffer.from([0])), 5)
  t.after(() => clearInterval(trickle))
  await until(() => raw.isClosed)
})
