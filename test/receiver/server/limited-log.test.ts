import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LimitedLog } from '../../../src/receiver/server/limited-log.ts'
import type { LogFields } from '../../../src/telemetry/log.ts'
import { buildMessage } from '../../support/message.ts'
import { startRunning, upload } from '../support/receiver.ts'

test('Each machine has its lines, and the next one says how many were left out.', () => {
  const lines: (readonly [string, LogFields])[] = []
  let nowMs = 0
  const note = (event: string, _message: string, fields: LogFields = {}) => {
    lines.push([event, fields])
  }
  const log = new LimitedLog({
    log: { info: note, warn: note, error: note },
    burst: 3,
    everyMs: 1000,
    monotonicMs: () => nowMs,
  })
  for (let time = 0; time < 10; time += 1) log.warn('refused', 'no', { machine: 'mad' })
  log.info('refused', 'no', { machine: 'calm' })
  log.error('failed', 'of nobody')
  assert.deepEqual(lines, [
    ...Array(3).fill(['refused', { machine: 'mad' }]),
    ['refused', { machine: 'calm', left_out: 7 }],
    ['failed', {}],
  ])
  nowMs += 1000
  log.warn('refused', 'no', { machine: 'mad' })
  log.warn('refused', 'no', { machine: 'mad' })
  assert.equal(lines.length, 6)
})

test('invariant 9: a machine that sends nonsense without end does not fill the log.', async (t) => {
  const limits = { logLines: 10, logLineEveryMs: 3_600_000 }
  const receiver = await startRunning(t, { limits })
  const session = receiver.connect()
  const nonsense = { ...buildMessage([{ path: '/a', bytes: 'a' }]), body: Buffer.from('nonsense') }
  for (let time = 0; time < 50; time += 1) {
    assert.equal((await upload(session, receiver.robot, nonsense)).status, 400)
  }
  assert.equal(receiver.lines.length, 10)
  // What is to be said of others is said.
  const other = await receiver.addMachine('other')
  assert.equal((await upload(session, other, nonsense)).status, 400)
  assert.equal(receiver.lines.length, 11)
})
