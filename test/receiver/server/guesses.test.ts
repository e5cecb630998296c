import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildMessage } from '../../support/message.ts'
import {
  type Answer,
  answerOf,
  ask,
  basic,
  json,
  startRunning,
  until,
  upload,
  uploadHeaders,
} from '../support/receiver.ts'

const message = buildMessage([{ path: '/a', bytes: 'a' }])
const limits = { failedAttempts: 10, failedAttemptEveryMs: 3_600_000 }
const machinePath = { ':path': '/v1/machine' }

test('invariant 9: who guesses is put off and loses its connection; the machine it claims to be is served.', async (t) => {
  const receiver = await startRunning(t, { limits })
  const guesser = receiver.connect()
  const statuses: number[] = []
  for (let guess = 0; guess < 11; guess += 1) {
    const found = await ask(guesser, { ...machinePath, authorization: basic('robot', `${guess}`) })
    statuses.push(found.status)
  }
  assert.deepEqual(statuses, [...Array(10).fill(401), 429])
  await until(() => guesser.destroyed)
  // From the same address, in the same name, and from then on: the right secret is never put off.
  for (let time = 0; time < 5; time += 1) {
    assert.equal((await upload(receiver.connect(), receiver.robot, message)).status, 200)
    const again = receiver.connect()
    const found = await ask(again, { ...machinePath, authorization: basic('robot', 'wrong') })
    assert.equal(found.status, 429)
    assert.equal(found.headers['retry-after'], '60')
    assert.equal(json(found).type, 'urn:longshore:problem:too_many_attempts')
    await until(() => again.destroyed)
  }
  const events = receiver.lines.map(({ event }) => event)
  assert.deepEqual(new Set(events), new Set(['credentials_rejected', 'too_many_attempts']))
  assert.equal(events.filter((event) => event === 'too_many_attempts').length, 1)
})

test('A connection on which a machine has shown who it is stays, whatever else is tried on it.', async (t) => {
  const receiver = await startRunning(t, { limits })
  const session = receiver.connect()
  assert.equal((await upload(session, receiver.robot, message)).status, 200)
  const found: Answer[] = []
  for (let guess = 0; guess < 50; guess += 1) {
    found.push(await ask(session, { ...machinePath, authorization: basic('robot', 'wrong') }))
  }
  assert.equal(found.at(-1)?.status, 429)
  assert.equal((await upload(session, receiver.robot, message)).status, 200)
  assert.equal(session.destroyed, false)
})

test('An upload under way is not harmed by guesses at its address and in its name.', async (t) => {
  const receiver = await startRunning(t, { limits })
  const session = receiver.connect()
  const stream = session.request(uploadHeaders(receiver.robot, message))
  const answer = answerOf(stream)
  stream.write(message.body.subarray(0, 10))
  const guesser = receiver.connect()
  await Promise.all(
    Array.from({ length: 50 }, () =>
      answerOf(guesser.request({ ...machinePath, authorization: basic('robot', 'wrong') })),
    ),
  )
  stream.end(message.body.subarray(10))
  assert.equal((await answer)?.status, 200)
})
