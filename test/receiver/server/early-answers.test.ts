import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2'
import { test } from 'node:test'
import { buildMessage } from '../../support/message.ts'
import { flags, frameTypes, RawHttp2, uploadRequest } from '../support/raw-http2.ts'
import {
  answerOf,
  basic,
  type RunningReceiver,
  startRunning,
  until,
  upload,
  uploadHeaders,
} from '../support/receiver.ts'

const times = 200
const message = buildMessage([{ path: '/a', bytes: 'a' }])
const piece = Buffer.alloc(16 * 1024, 'x')

function descriptors(): number {
  return readdirSync('/proc/self/fd').length
}

/** A sender that goes on for as long as the other end lets it, whatever it is answered. */
async function pourInto(session: ClientHttp2Session, headers: OutgoingHttpHeaders) {
  const stream = session.request(headers)
  const answer = answerOf(stream)
  const pour = () => {
    while (!stream.destroyed && stream.write(piece));
  }
  stream.on('drain', pour)
  pour()
  return answer
}

interface EarlyAnswer {
  readonly status: number
  readonly options?: Parameters<typeof startRunning>[1]
  headers(receiver: RunningReceiver): OutgoingHttpHeaders
}

/** Never reached: a message that is longer than it was declared ends its connection. */
const declaredBytes = 64 * 1024 * 1024
const large = { 'content-length': declaredBytes, 'upload-complete': '?1' }

const cases: Record<string, EarlyAnswer> = {
  'a wrong secret': {
    status: 401,
    headers: () => ({ ...uploadHeaders(basic('robot', 'wrong'), message), ...large }),
  },
  'too large a message': {
    status: 413,
    headers: ({ robot }) => ({
      ...uploadHeaders(robot, message),
      'content-length': declaredBytes,
    }),
  },
  'a full disk': {
    status: 507,
    options: { minFreeShare: 0.999999 },
    headers: ({ robot }) => ({ ...uploadHeaders(robot, message), ...large }),
  },
  'an error at the first byte of a large upload': {
    status: 400,
    headers: ({ robot }) => ({
      ...uploadHeaders(robot, message),
      ...large,
      'idempotency-key': undefined,
    }),
  },
}

for (const [name, { status, options, headers }] of Object.entries(cases)) {
  test(`${times} early answers to ${name}, while data pours in, reach the sender and leave no stream behind.`, async (t) => {
    const limits = { lingerMs: 150, failedAttempts: 1000 }
    const receiver = await startRunning(t, { ...options, limits })
    const before = descriptors()
    const session = receiver.connect()
    // More than streams may be open on a connection: one that is left behind would be missed.
    for (let round = 0; round < times / 50; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => pourInto(session, headers(receiver))),
      )
      assert.deepEqual(new Set(answers.map((answer) => answer?.status)), new Set([status]))
    }
    const { status: next } = await upload(session, receiver.robot, message)
    assert.equal(next, status === 507 ? 507 : 200)
    session.close()
    // The segment of the one that was stored stays open for the next.
    const segments = status === 507 ? 0 : 1
    await until(() => session.destroyed && descriptors() <= before + segments)
    assert.equal((await receiver.segments()).length, segments)
  })
}

test('A sender that stops sending when it is answered keeps its connection, and no stream is reset.', async (t) => {
  const receiver = await startRunning(t, { limits: { failedAttempts: 1000 } })
  const session = receiver.connect()
  for (let time = 0; time < times; time += 1) {
    const stream = session.request({
      ...uploadHeaders(basic('robot', 'wrong'), message),
      ...{ 'content-length': piece.length * 2 },
    })
    const answer = answerOf(stream)
    stream.write(piece)
    stream.once('response', () => stream.end(piece))
    assert.equal((await answer)?.status, 401)
    assert.equal(stream.rstCode, 0)
  }
})

test('A sender that looks at the answer only when it has sent everything can send everything.', async (t) => {
  const receiver = await startRunning(t, { limits: { lingerMs: 60_000 } })
  const session = receiver.connect()
  const body = Buffer.alloc(1_000_000)
  for (const authorization of [receiver.robot, basic('robot', 'wrong')]) {
    const stream = session.request({
      ...uploadHeaders(authorization, message),
      'content-type': 'text/plain',
      'content-length': body.length,
    })
    const answer = answerOf(stream)
    stream.end(body)
    assert.equal((await answer)?.status, authorization === receiver.robot ? 415 : 401)
    assert.equal(stream.rstCode, 0)
  }
})

for (const isEndLate of [false, true]) {
  const when = isEndLate ? 'after' : 'before'
  test(`An answer is delivered whole to a sender that reads slowly and ended its body ${when} it.`, async (t) => {
    const receiver = await startRunning(t, { limits: { lingerMs: 20 } })
    const many = buildMessage(
      Array.from({ length: 1024 }, (_, index) => ({ path: `/many/${index}`, bytes: '' })),
    )
    const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
    raw.acknowledgeSettings()
    // SETTINGS_INITIAL_WINDOW_SIZE: 100 bytes of an answer of more than 100,000.
    raw.send(frameTypes.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 100]))
    raw.openStream(1, {
      ...uploadRequest(receiver.robot, many.body.length),
      'content-type': many.contentType,
    })
    // The windows of a sender that has shown who it is.
    await until(() => raw.received(frameTypes.windowUpdate).length > 0)
    raw.acknowledgeSettings()
    for (let at = 0; at < many.body.length; at += 16_000) {
      const isLast = at + 16_000 >= many.body.length
      const flagBits = isLast && !isEndLate ? flags.endStream : 0
      raw.send(frameTypes.data, flagBits, 1, many.body.subarray(at, at + 16_000))
    }
    await until(() => raw.received(frameTypes.headers, 1).length > 0)
    if (isEndLate) raw.send(frameTypes.data, flags.endStream, 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const more = Buffer.from([0, 16, 0, 0])
    for (const streamId of [0, 1]) raw.send(frameTypes.windowUpdate, 0, streamId, more)
    await until(() => raw.received(frameTypes.data, 1).at(-1)?.flags === flags.endStream)
    const pieces = raw.received(frameTypes.data, 1).map(({ payload }) => payload)
    assert.equal(JSON.parse(String(Buffer.concat(pieces))).outcomes.length, 1024)
    assert.deepEqual(raw.received(frameTypes.resetStream), [])
  })
}
