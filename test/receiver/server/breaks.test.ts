import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2'
import { test } from 'node:test'
import { singleUploadAboveBytes } from '../../../src/wire/limits.ts'
import { buildMessage } from '../../support/message.ts'
import { encodeFrame, encodeHeaders, flags, frameTypes, RawHttp2 } from '../support/raw-http2.ts'
import {
  type Answer,
  answerOf,
  type RunningReceiver,
  startRunning,
  until,
  upload,
  uploadHeaders,
} from '../support/receiver.ts'

const bundle = buildMessage([{ path: '/small', bytes: Buffer.alloc(200_000, 's') }])
const large = buildMessage([{ path: '/large', bytes: Buffer.alloc(2_000_000, 'l') }])
/** An eighth of it is for bundles: room for one. */
const memoryBytes = 32 * 1024 * 1024

const kinds = [
  { kind: 'bundle', message: bundle, more: {} },
  // Without its id, which would have it go on where the one before broke off.
  {
    kind: 'large upload',
    message: large,
    more: { 'upload-complete': '?1', 'idempotency-key': undefined },
  },
]

/** Node's own client has to send all that it announced; this one need not. */
type Cut = (session: ClientHttp2Session, stream: ClientHttp2Stream) => void

const cuts: Record<string, Cut> = {
  // Never close(code): with data pending that hangs the client's thread in native code.
  'is reset': (_, stream) => stream.destroy(new Error('reset')),
  'ends too early': (_, stream) => stream.end(),
  'loses its connection': (session) => session.destroy(),
}

async function assertNothingKept(receiver: RunningReceiver): Promise<void> {
  await until(async () => (await receiver.segments()).length === 0)
  assert.deepEqual(await receiver.stored(), [])
  assert.deepEqual(
    receiver.lines.filter(({ level }) => level !== 'info'),
    [],
    'a break is no error',
  )
}

for (const { kind, message, more } of kinds) {
  for (const [how, cut] of Object.entries(cuts)) {
    test(`A ${kind} that ${how} is a break: no outcome, no file, no segment, no log line.`, async (t) => {
      const receiver = await startRunning(t)
      const before = readdirSync('/proc/self/fd').length
      for (const share of [0, 0.0001, 0.5, 0.99]) {
        const session = receiver.connect()
        const stream = session.request({ ...uploadHeaders(receiver.robot, message), ...more })
        const answer = answerOf(stream)
        stream.write(message.body.subarray(0, Math.floor(message.body.length * share)))
        await new Promise((resolve) => setTimeout(resolve, 10))
        cut(session, stream)
        assert.equal(await answer, undefined)
        session.destroy()
      }
      // Before SQLite is opened a second time: it closes no file while this process has it open twice.
      await until(() => readdirSync('/proc/self/fd').length <= before)
      await assertNothingKept(receiver)
      const answered = await upload(receiver.connect(), receiver.robot, message, more)
      assert.equal(answered.status, 200)
      assert.equal((await receiver.stored()).length, 1)
    })
  }

  test(`A ${kind} whose sender falls silent is cut off, and its connection can go on.`, async (t) => {
    const receiver = await startRunning(t, { limits: { streamIdleMs: 150 } })
    const session = receiver.connect()
    const stream = session.request({ ...uploadHeaders(receiver.robot, message), ...more })
    stream.write(message.body.subarray(0, message.body.length / 2))
    assert.equal(await answerOf(stream), undefined)
    assert.notEqual(stream.rstCode, constants.NGHTTP2_NO_ERROR, 'not to be taken for an answer')
    await assertNothingKept(receiver)
    const small = buildMessage([{ path: '/next', bytes: 'next' }])
    assert.equal((await upload(session, receiver.robot, small)).status, 200)
  })

  test(`A ${kind} that is slow, but moves, is not cut off.`, async (t) => {
    const receiver = await startRunning(t, { limits: { streamIdleMs: 300 } })
    const session = receiver.connect()
    const stream = session.request({ ...uploadHeaders(receiver.robot, message), ...more })
    const answer = answerOf(stream)
    const parts = 10
    for (let part = 0; part < parts; part += 1) {
      const share = message.body.length / parts
      stream.write(message.body.subarray(part * share, (part + 1) * share))
      await new Promise((resolve) => setTimeout(resolve, 40))
    }
    stream.end()
    assert.equal((await answer)?.status, 200)
  })
}

test('An END_STREAM before the declared length is a break, also from a peer that keeps to no rule.', async (t) => {
  const receiver = await startRunning(t)
  const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
  raw.acknowledgeSettings()
  const headers = rawHeaders(receiver, bundle.body.length)
  raw.openStream(1, headers)
  raw.send(frameTypes.data, flags.endStream, 1, bundle.body.subarray(0, 5000))
  await until(() => raw.received(frameTypes.resetStream, 1).length === 1)
  // More bytes than were declared cost the whole connection.
  raw.openStream(3, rawHeaders(receiver, 100))
  raw.send(frameTypes.data, flags.endStream, 3, bundle.body.subarray(0, 5000))
  await until(() => raw.isClosed)
  assert.deepEqual(raw.received(frameTypes.headers), [])
  await assertNothingKept(receiver)
})

test("A request that was reset, without an error, before its answer was due is nobody's error.", async (t) => {
  const receiver = await startRunning(t, { minFreeShare: 0.999999 })
  for (let time = 0; time < 20; time += 1) {
    const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
    raw.acknowledgeSettings()
    const noError = Buffer.alloc(4)
    // In one write: the receiver reads all of it before it knows how full its disk is.
    raw.socket.write(
      Buffer.concat([
        encodeFrame(
          frameTypes.headers,
          flags.endHeaders,
          1,
          encodeHeaders(rawHeaders(receiver, 9000)),
        ),
        encodeFrame(frameTypes.data, 0, 1, Buffer.alloc(5000)),
        encodeFrame(frameTypes.resetStream, 0, 1, noError),
      ]),
    )
    raw.send(frameTypes.ping, 0, 0, Buffer.alloc(8))
    await until(() => raw.received(frameTypes.ping).length > 0)
    raw.socket.destroy()
  }
  assert.deepEqual(
    receiver.lines.filter(({ event }) => event !== 'upload_refused'),
    [],
  )
})

function rawHeaders(receiver: RunningReceiver, contentLength: number) {
  return {
    ':method': 'POST',
    ':path': '/v1/uploads',
    ':scheme': 'https',
    ':authority': 'localhost',
    authorization: receiver.robot,
    'content-type': bundle.contentType,
    'content-length': contentLength,
  }
}

test('invariant 4: an upload that waits for its turn is not taken for an idle one, nor is its connection.', async (t) => {
  const limits = { streamIdleMs: 200, connectionIdleMs: 500 }
  const receiver = await startRunning(t, { memoryBytes, limits })
  const full = buildMessage([{ path: '/full', bytes: Buffer.alloc(3_000_000) }])
  const holding = receiver.connect()
  const holder = holding.request(uploadHeaders(receiver.robot, full))
  const held = answerOf(holder)
  holder.write(full.body.subarray(0, 1000))
  await new Promise((resolve) => setTimeout(resolve, 20))
  const next = buildMessage([{ path: '/next', bytes: Buffer.alloc(2_000_000) }])
  const waiting = upload(receiver.connect(), receiver.robot, next)
  for (let part = 1; part <= 20; part += 1) {
    holder.write(full.body.subarray(part * 1000, part * 1000 + 1000))
    await new Promise((resolve) => setTimeout(resolve, 40))
  }
  assert.deepEqual(await receiver.stored(), [], 'it waited')
  // The one that holds the room falls silent, and is cut off.
  assert.equal(await held, undefined)
  assert.equal((await waiting).status, 200)
})

test('An idle connection is closed.', async (t) => {
  const receiver = await startRunning(t, { limits: { streamIdleMs: 50, connectionIdleMs: 150 } })
  const session = receiver.connect()
  assert.equal((await upload(session, receiver.robot, bundle)).status, 200)
  await until(() => session.destroyed)
})

test('200 broken uploads on one connection, bundles and large ones, leave nothing of them behind.', async (t) => {
  const receiver = await startRunning(t)
  const before = readdirSync('/proc/self/fd').length
  const session = receiver.connect()
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const { message, more } = kinds[index % 2]!
        const stream = session.request({ ...uploadHeaders(receiver.robot, message), ...more })
        const answer = answerOf(stream)
        stream.write(message.body.subarray(0, 100_000))
        await new Promise((resolve) => setTimeout(resolve, index))
        stream.destroy(new Error('reset'))
        return answer
      }),
    )
  }
  assert.equal((await upload(session, receiver.robot, bundle)).status, 200)
  session.close()
  await until(async () => (await receiver.segments()).length === 1)
  // The segment of the one that was stored stays open for the next.
  await until(() => readdirSync('/proc/self/fd').length <= before + 1)
})

test('invariant 7: an upload that waits for room is cut when its sender goes, and the others go on.', async (t) => {
  const receiver = await startRunning(t, { memoryBytes })
  const session = receiver.connect()
  const full = buildMessage([{ path: '/full', bytes: Buffer.alloc(3_000_000) }])
  const holder = session.request(uploadHeaders(receiver.robot, full))
  const held = answerOf(holder)
  holder.write(full.body.subarray(0, 1_000_000))
  const leaving = session.request(uploadHeaders(receiver.robot, full))
  const left = answerOf(leaving)
  leaving.write(full.body.subarray(0, 10_000))
  const waiting: Promise<Answer>[] = [1, 2, 3].map((index) => {
    const bytes = Buffer.alloc(2_500_000, index)
    return upload(session, receiver.robot, buildMessage([{ path: `/${index}`, bytes }]))
  })
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.deepEqual(await receiver.stored(), [])
  leaving.destroy(new Error('reset'))
  assert.equal(await left, undefined)
  holder.destroy(new Error('reset'))
  assert.equal(await held, undefined)
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ status }) => status),
    [200, 200, 200],
  )
  assert.ok(singleUploadAboveBytes < 2_500_000)
})
