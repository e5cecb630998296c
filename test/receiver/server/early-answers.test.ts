import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2'
import { test } from 'node:test'
import { buildMessage } from '../../support/message.ts'
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
    headers: ({ robot }) => ({ ...uploadHeaders(robot, message), ...large }),
  },
}

for (const [name, { status, options, headers }] of Object.entries(cases)) {
  test(`${times} early answers to ${name}, while data pours in, reach the sender and leave no stream behind.`, async (t) => {
    const receiver = await startRunning(t, { ...options, limits: { lingerMs: 150 } })
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
  const receiver = await startRunning(t)
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

test('An answer is delivered whole to a sender that reads it late, though its body is complete.', async (t) => {
  const receiver = await startRunning(t, { limits: { lingerMs: 5 } })
  const session = receiver.connect()
  const many = buildMessage(
    Array.from({ length: 1024 }, (_, index) => ({ path: `/many/${index}`, bytes: '' })),
  )
  const stream = session.request(uploadHeaders(receiver.robot, many))
  const answer = answerOf(stream)
  stream.end(many.body)
  // Its window is full long before the end of the answer.
  stream.once('response', () => {
    stream.pause()
    setTimeout(() => stream.resume(), 40)
  })
  const { body } = (await answer) ?? {}
  assert.equal(JSON.parse(String(body)).outcomes.length, 1024)
})
