import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FailedAttempts } from '../../../src/receiver/server/failed-attempts.ts'
import { defaultLimits } from '../../../src/receiver/server/limits.ts'

function attempts(limits = { failedAttempts: 5, failedAttemptEveryMs: 1000 }) {
  const time = { nowMs: 0 }
  const lines: { event: string; fields: unknown }[] = []
  const note = (event: string, _message: string, fields: unknown) => lines.push({ event, fields })
  const made = new FailedAttempts({
    limits,
    log: { info: note, warn: note, error: note },
    monotonicMs: () => time.nowMs,
  })
  const status = (remote: string, machine?: string) => made.answer({ remote, machine }).reply.status
  const statuses = (count: number, remote: string, machine?: string) =>
    Array.from({ length: count }, () => status(remote, machine))
  return { time, lines, made, status, statuses }
}

test('So many wrong secrets of one address are told so; more are put off until time has passed.', () => {
  const { time, made, statuses } = attempts()
  assert.deepEqual(statuses(7, '192.0.2.1'), [401, 401, 401, 401, 401, 429, 429])
  const { reply, tooMany } = made.answer({ remote: '192.0.2.1', machine: undefined })
  assert.equal(tooMany, true)
  assert.equal(JSON.parse(String(reply.body)).type, 'urn:longshore:problem:too_many_attempts')
  assert.equal(reply.headers?.['retry-after'], '60')
  assert.deepEqual(statuses(1, '192.0.2.2'), [401])
  time.nowMs += 2000
  assert.deepEqual(statuses(3, '192.0.2.1'), [401, 401, 429])
})

test('invariant 9: an attacker with many addresses is put off by the machine it claims to be.', () => {
  const { status } = attempts()
  const found = Array.from({ length: 20 }, (_, index) => status(`192.0.2.${index}`, 'robot'))
  assert.deepEqual(new Set(found.slice(0, 5)), new Set([401]))
  assert.deepEqual(new Set(found.slice(5)), new Set([429]))
  assert.equal(status('192.0.2.99', 'other'), 401)
})

test('invariant 9: who guesses as fast as it can writes a line of the log every few seconds, not more.', () => {
  const { time, lines, status } = attempts(defaultLimits)
  const hourSeconds = 3600
  for (let second = 0; second < hourSeconds; second += 1) {
    time.nowMs += 1000
    for (let guess = 0; guess < 100; guess += 1) status('192.0.2.1', 'robot')
  }
  const rejected = lines.filter(({ event }) => event === 'credentials_rejected').length
  const tooMany = lines.filter(({ event }) => event === 'too_many_attempts').length
  assert.equal(rejected + tooMany, lines.length)
  assert.ok(tooMany >= 59 && tooMany <= 61, `${tooMany} lines`)
  assert.ok(rejected >= 359 && rejected <= 362, `${rejected} lines`)
})
