import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http2'
import { test } from 'node:test'
import { blake3 } from '../../../src/base/hash.ts'
import { ask, json, startRunning, until } from '../support/receiver.ts'

const content = Buffer.alloc(3 * 1024 * 1024)
for (let at = 0; at < content.length; at += 4) content.writeUInt32BE(at, at)
const outcome = {
  status: 'stored',
  path: '/drive.mp4',
  size: content.length,
  blake3: blake3(content),
}

test('invariant 6: a raw body that broke off goes on where it stopped, as the draft says, also after a restart.', async (t) => {
  const first = await startRunning(t)
  const authorization = first.robot
  const session = first.connect()
  const post = session.request({
    ':method': 'POST',
    ':path': '/v1/uploads',
    authorization,
    'upload-draft-interop-version': '8',
    'upload-complete': '?1',
    'content-type': 'video/mp4',
    'content-disposition': 'attachment; filename="drive.mp4"',
    'content-length': content.length,
  })
  post.on('error', () => {})
  const interim = once(post, 'headers')
  post.write(content.subarray(0, 1_000_001))
  const [{ ':status': status, location: path }] = (await interim) as [IncomingHttpHeaders]
  assert.equal(status, 104)
  const resource = { ':path': path, authorization }
  const offsetOf = async (connection: typeof session) => {
    const { headers } = await ask(connection, { ...resource, ':method': 'HEAD' })
    assert.deepEqual([headers['upload-complete'], headers['upload-length']], ['?0', '3145728'])
    return Number(headers['upload-offset'])
  }
  const looking = first.connect()
  // Looking ends the request; what it had brought by then stays.
  const reached = await offsetOf(looking)
  assert.ok(reached <= 1_000_001)
  const further = reached + 500_000
  const part = await ask(
    looking,
    {
      ...resource,
      ':method': 'PATCH',
      'content-type': 'application/partial-upload',
      'upload-offset': reached,
      'upload-complete': '?0',
      'content-length': 500_000,
    },
    content.subarray(reached, further),
  )
  assert.equal(part.status, 204)
  await first.receiver.close()

  const second = await startRunning(t, { dataDir: first.dataDir })
  const again = second.connect()
  assert.equal(await offsetOf(again), further)
  const last = await ask(
    again,
    {
      ...resource,
      ':method': 'PATCH',
      'content-type': 'application/partial-upload',
      'upload-offset': further,
      'upload-complete': '?1',
      'content-length': content.length - further,
    },
    content.subarray(further),
  )
  assert.equal(last.headers['upload-complete'], '?1')
  assert.deepEqual(json(last).outcomes, [outcome])
  const known = await ask(again, { ...resource, ':method': 'GET' })
  assert.deepEqual(json(known).outcomes, [outcome])
  const stored = await second.stored()
  assert.deepEqual(
    stored.map(({ path: name, bytes }) => [name, blake3(bytes)]),
    [['/drive.mp4', outcome.blake3]],
  )
})

test('invariant 3: an id that a sender uses for two raw bodies does not let one pass for the other.', async (t) => {
  const first = await startRunning(t)
  const uploadId = blake3(Buffer.from('chosen twice'))
  const headersOf = (name: string, sizeBytes: number) => ({
    ':method': 'POST',
    ':path': '/v1/uploads',
    authorization: first.robot,
    'idempotency-key': `"${uploadId}"`,
    'upload-complete': '?1',
    'content-disposition': `attachment; filename="${name}"`,
    'content-length': sizeBytes,
  })
  const others = [
    { name: 'other.mp4', body: content },
    { name: 'drive.mp4', body: content.subarray(1) },
  ]
  const assertOthersRefused = async ({ connect }: typeof first) => {
    for (const { name, body } of others) {
      const refused = await ask(connect(), headersOf(name, body.length), body)
      assert.equal(refused.status, 422)
      assert.match(String(refused.body), /upload_id_mismatch/)
    }
  }
  const session = first.connect()
  const begun = session.request(headersOf('drive.mp4', content.length))
  begun.on('error', () => {})
  begun.write(content.subarray(0, 1_000_000))
  await until(() => begun.writableLength === 0)
  const statusOf = async (method: string) =>
    (
      await ask(session, {
        ':method': method,
        ':path': `/v1/uploads/${uploadId}`,
        authorization: first.robot,
      })
    ).status
  await until(async () => (await statusOf('HEAD')) === 204)
  await assertOthersRefused(first)
  await statusOf('DELETE')
  const stored = await ask(session, headersOf('drive.mp4', content.length), content)
  assert.deepEqual(json(stored).outcomes, [outcome])
  await assertOthersRefused(first)
  await first.receiver.close()
  const second = await startRunning(t, { dataDir: first.dataDir })
  await assertOthersRefused(second)
  const again = await ask(second.connect(), headersOf('drive.mp4', content.length), content)
  const { size, blake3: digest } = outcome
  assert.deepEqual(json(again).outcomes, [{ status: 'already_stored', size, blake3: digest }])
})
