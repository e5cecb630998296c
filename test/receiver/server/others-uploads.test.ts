import assert from 'node:assert/strict'
import type { ClientHttp2Session } from 'node:http2'
import { test } from 'node:test'
import { buildMessage } from '../../support/message.ts'
import { type Answer, answerOf, ask, startRunning, uploadHeaders } from '../support/receiver.ts'

const large = buildMessage([{ path: '/large', bytes: Buffer.alloc(2_000_000, 'x') }])
const partial = { 'content-type': 'application/partial-upload', 'upload-complete': '?1' }

type Method = 'HEAD' | 'GET' | 'DELETE' | 'PATCH'

/** One request on an upload; PATCH brings all that is missing. */
function touch(
  session: ClientHttp2Session,
  authorization: string,
  method: Method,
  path: string,
  offset = 0,
): Promise<Answer> {
  const headers = { ':method': method, ':path': path, authorization }
  if (method !== 'PATCH') return ask(session, headers)
  const rest = large.body.subarray(offset)
  const more = { ...partial, 'upload-offset': offset, 'content-length': rest.length }
  return ask(session, { ...headers, ...more }, rest)
}

/** Sends the first half of a message and breaks off. Returns how much of it was kept. */
async function beginUpload(session: ClientHttp2Session, authorization: string): Promise<number> {
  const stream = session.request({
    ...uploadHeaders(authorization, large),
    'upload-complete': '?1',
  })
  const answer = answerOf(stream)
  stream.end(large.body.subarray(0, large.body.length >> 1))
  assert.equal(await answer, undefined)
  return offsetOf(session, authorization)
}

async function offsetOf(session: ClientHttp2Session, authorization: string): Promise<number> {
  const found = await touch(session, authorization, 'HEAD', `/v1/uploads/${large.uploadId}`)
  assert.equal(found.status, 204)
  return Number(found.headers['upload-offset'])
}

const methods: readonly Method[] = ['HEAD', 'GET', 'PATCH', 'DELETE']

test("invariant 9: another machine's upload, unfinished or finished, is as good as not there.", async (t) => {
  const receiver = await startRunning(t)
  const spy = await receiver.addMachine('spy')
  const [own, others] = [receiver.connect(), receiver.connect()]
  const kept = await beginUpload(own, receiver.robot)
  const path = `/v1/uploads/${large.uploadId}`
  const unknown = `/v1/uploads/${'0'.repeat(64)}`
  const assertUnseen = async () => {
    for (const method of methods) {
      const found = await touch(others, spy, method, path, kept)
      assert.equal(found.status, 404, method)
      const { date: _, ...headers } = found.headers
      const nothing = await touch(others, spy, method, unknown)
      const { date: __, ...headersOfNothing } = nothing.headers
      assert.deepEqual([headers, found.body], [headersOfNothing, nothing.body], method)
    }
  }
  await assertUnseen()
  assert.equal(await offsetOf(own, receiver.robot), kept)
  assert.equal((await touch(own, receiver.robot, 'PATCH', path, kept)).status, 200)
  await assertUnseen()
  assert.equal((await touch(own, receiver.robot, 'GET', path)).status, 200)
  assert.deepEqual(
    (await receiver.stored()).map(({ machine }) => machine),
    ['robot'],
  )
})

test('invariant 9: a machine that sends what another one has begun begins an upload of its own.', async (t) => {
  const receiver = await startRunning(t)
  const spy = await receiver.addMachine('spy')
  const [own, others] = [receiver.connect(), receiver.connect()]
  const path = `/v1/uploads/${large.uploadId}`
  const kept = await beginUpload(own, receiver.robot)
  const whole = { ...uploadHeaders(spy, large), 'upload-complete': '?1' }
  const found = await ask(others, whole, large.body)
  assert.equal(found.status, 200)
  assert.equal(JSON.parse(String(found.body)).outcomes[0].status, 'stored')
  assert.equal(await offsetOf(own, receiver.robot), kept)
  assert.equal((await touch(others, spy, 'DELETE', path)).status !== 204, true, 'it is complete')
  const finished = await touch(own, receiver.robot, 'PATCH', path, kept)
  assert.equal(JSON.parse(String(finished.body)).outcomes[0].status, 'stored', 'a copy each')
})

const id = large.uploadId
const tricks = [
  '/v1/uploads/',
  `/v1/uploads//${id}`,
  `/v1/uploads/${id}/`,
  `/v1/uploads/${id}/..`,
  `/v1/uploads/../uploads/${id}`,
  `/v1/uploads/./${id}`,
  `/v1/uploads/%2e%2e/uploads/${id}`,
  `/v1/uploads%2f${id}`,
  `/v1/uploads/%2f${id}`,
  `/v1/uploads/${id.toUpperCase()}x`.slice(0, -1),
  `/v1/Uploads/${id}`,
  `/V1/uploads/${id}`,
  `/v1/uploads/${id.slice(1)}`,
  `/v1/uploads/${id}0`,
  `/v1/uploads/${id}%00`,
  `/v1/uploads/${encodeURIComponent(`${id}/`)}`,
  `/v1/uploads/${'%30'.repeat(64)}`,
  `/v1/uploads/${'a'.repeat(10_000)}`,
  `/v1/uploads/robot/${id}`,
  `/v1/uploads/robot:${id}`,
  `//v1/uploads/${id}`,
  `https://localhost/v1/uploads/${id}`,
  `v1/uploads/${id}`,
  '/v1/uploads/../../../etc/passwd',
  '/v1/uploads/..',
  '*',
]

test('invariant 9: the path of an upload is that one path, and no other that somebody may read as it.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  const kept = await beginUpload(session, receiver.robot)
  for (const path of tricks) {
    for (const method of ['HEAD', 'GET', 'DELETE'] as const) {
      // Some cost the connection: HTTP/2 itself has no such paths.
      const found = await touch(receiver.connect(), receiver.robot, method, path).catch(
        () => undefined,
      )
      assert.ok(found === undefined || found.status === 404, `${method} ${path}: ${found?.status}`)
    }
  }
  assert.equal(await offsetOf(session, receiver.robot), kept)
})
