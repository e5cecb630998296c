import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildMessage } from '../../support/message.ts'
import { ask, startRunning, upload } from '../support/receiver.ts'

const message = buildMessage([{ path: '/a', bytes: 'a' }])
const names = ['1', '2'].map((digit) => digit.repeat(32)) as [string, string]

test('Two devices that upload in turns as one machine are reported once, with what to do.', async (t) => {
  const receiver = await startRunning(t)
  const sessions = names.map(() => receiver.connect())
  for (let turn = 0; turn < 10; turn += 1) {
    const instance = names[turn % 2]!
    const headers = { 'longshore-instance': instance }
    const { status } = await upload(sessions[turn % 2]!, receiver.robot, message, headers)
    assert.equal(status, 200, 'served all the same')
  }
  const [line, ...more] = receiver.lines
  assert.equal(line?.event, 'machine_shared')
  assert.match(line?.message ?? '', /robot.*longshore receiver machine add/)
  assert.deepEqual(line?.fields, { machine: 'robot', remotes: '127.0.0.1, 127.0.0.1' })
  assert.deepEqual(more, [])
})

test('Who only asks, beside a device that uploads, is no second device.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  for (let turn = 0; turn < 10; turn += 1) {
    await upload(session, receiver.robot, message, { 'longshore-instance': names[0] })
    await ask(session, {
      ':path': '/v1/machine',
      authorization: receiver.robot,
      'longshore-instance': names[1],
    })
  }
  assert.deepEqual(receiver.lines, [])
})
