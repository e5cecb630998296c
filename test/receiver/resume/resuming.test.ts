import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { buildMessage } from '../../support/message.ts'
import {
  ask,
  json,
  type RunningReceiver,
  startRunning,
  upload,
  uploadHeaders,
} from '../support/receiver.ts'
import { ResumingClient } from '../support/resume.ts'

const bytes = Buffer.alloc(3_000_000, 'a large file, ')
const message = buildMessage([{ path: '/large', bytes }])
const length = message.body.length
const fileStart = message.offsets[0]!

interface Setting {
  readonly receiver: RunningReceiver
  readonly client: ResumingClient
}

async function setUp(t: TestContext): Promise<Setting> {
  const receiver = await startRunning(t)
  return { receiver, client: new ResumingClient(receiver, message) }
}

function statusesOf(answer: Parameters<typeof json>[0]): unknown[] {
  return (json(answer).outcomes as { status: string }[]).map(({ status }) => status)
}

async function assertStoredOnce(receiver: RunningReceiver): Promise<void> {
  const stored = await receiver.stored()
  assert.equal(stored.length, 1)
  assert.ok(stored[0]!.bytes.equals(bytes), 'byte for byte')
  assert.deepEqual(partsOf(receiver), [], 'nothing else is left')
}

function partsOf({ dataDir }: RunningReceiver): string[] {
  return readdirSync(join(dataDir, 'segments')).filter((name) => /\.(part|offset)$/.test(name))
}

/** Where a break hurts: in the head, around the file, in its middle, in the digests, before the end. */
const places = [
  30,
  fileStart - 1,
  fileStart,
  1_500_000,
  fileStart + bytes.length,
  length - 40,
  length - 1,
]

for (const place of places) {
  test(`invariant 6: an upload that broke off after ${place} bytes goes on there.`, async (t) => {
    const { receiver, client } = await setUp(t)
    const begun = client.begin(place)
    await client.arrived(begun)
    begun.stream.destroy(new Error('reset'))
    assert.equal(await begun.answer, undefined)
    client.reconnect()
    assert.equal(await client.offset(), place)
    const finished = await client.patch(place)
    assert.deepEqual(statusesOf(finished), ['stored'])
    assert.equal(finished.headers['upload-complete'], '?1')
    await assertStoredOnce(receiver)
  })
}

test('invariant 6: over ten breaks of every kind no byte that had arrived is received again.', async (t) => {
  const { receiver, client } = await setUp(t)
  let offset = 0
  for (let round = 0; round < 10; round += 1) {
    const end = offset + 250_000 + round
    const begun = round === 0 ? client.begin(end) : client.goOn(offset, end)
    await client.arrived(begun)
    if (round % 3 === 0) begun.stream.destroy(new Error('reset'))
    else if (round % 3 === 1) client.session.destroy()
    // The third kind is left open: the next HEAD ends it.
    if (round % 3 < 2) client.reconnect()
    const found = await client.offset()
    assert.equal(found, end, `round ${round}`)
    assert.equal(await begun.answer, undefined)
    offset = end
  }
  assert.deepEqual(statusesOf(await client.patch(offset)), ['stored'])
  await assertStoredOnce(receiver)
  const line = receiver.lines.find(({ event }) => event === 'upload_resumed')
  assert.equal(line?.fields.requests, 11)
  assert.equal(line?.fields.arrived_bytes, length, 'each byte arrived once')
})

test('invariant 6: a receiver that is started again knows what had arrived, and hashes it from the disk.', async (t) => {
  const { receiver, client } = await setUp(t)
  const begun = client.begin(2_000_000)
  await client.arrived(begun)
  await receiver.receiver.close()
  const again = await startRunning(t, { dataDir: receiver.dataDir })
  const next = new ResumingClient({ ...again, robot: receiver.robot }, message)
  assert.equal(await next.offset(), 2_000_000)
  assert.deepEqual(statusesOf(await next.patch(2_000_000)), ['stored'])
  await assertStoredOnce(again)
})

test('What is damaged on the disk between two requests is found, and the upload starts afresh.', async (t) => {
  const { receiver, client } = await setUp(t)
  await client.arrived(client.begin(2_000_000))
  await receiver.receiver.close()
  const part = partsOf(receiver).find((name) => name.endsWith('.part'))
  await using file = await open(join(receiver.dataDir, 'segments', part!), 'r+')
  await file.write(Buffer.from('x'), 0, 1, 1_000_000)
  const again = await startRunning(t, { dataDir: receiver.dataDir })
  const next = new ResumingClient({ ...again, robot: receiver.robot }, message)
  const answer = await next.patch(2_000_000)
  assert.deepEqual(json(answer).outcomes, [
    {
      status: 'rejected',
      reason: 'digest_mismatch',
      size: bytes.length,
      blake3: (json(answer).outcomes as { blake3: string }[])[0]!.blake3,
    },
  ])
  // Nothing of it is remembered: the same upload begins at its first byte.
  assert.equal((await next.ask('HEAD')).status, 404)
  assert.deepEqual(statusesOf(await next.post()), ['stored'])
  await assertStoredOnce(again)
})

test('invariant 3: an upload whose answer was lost is asked for: by POST, HEAD, GET and PATCH, also after a restart.', async (t) => {
  const { receiver, client } = await setUp(t)
  assert.deepEqual(statusesOf(await client.post()), ['stored'])
  const askAll = async (asking: ResumingClient) => {
    const head = await asking.ask('HEAD')
    assert.equal(head.headers['upload-complete'], '?1')
    assert.equal(head.headers['upload-offset'], String(length))
    assert.deepEqual(statusesOf(await asking.ask('GET')), ['stored'])
    assert.deepEqual(statusesOf(await asking.patch(1_000_000)), ['stored'])
    // Not a byte of the body is sent.
    const { stream, answer } = asking.begin(0)
    stream.once('response', () => stream.destroy())
    assert.equal((await answer)?.status, 200)
  }
  await askAll(client)
  await receiver.receiver.close()
  const again = await startRunning(t, { dataDir: receiver.dataDir })
  await askAll(new ResumingClient({ ...again, robot: receiver.robot }, message))
  await assertStoredOnce(again)
})

test('A finished upload whose segment is gone is unknown, not an error.', async (t) => {
  const { receiver, client } = await setUp(t)
  assert.deepEqual(statusesOf(await client.post()), ['stored'])
  await receiver.receiver.close()
  const again = await startRunning(t, { dataDir: receiver.dataDir })
  const [segment] = await again.segments()
  await rm(join(receiver.dataDir, 'segments', segment!))
  const next = new ResumingClient({ ...again, robot: receiver.robot }, message)
  assert.equal((await next.ask('HEAD')).status, 404)
  assert.equal((await next.ask('GET')).status, 404)
})

test('A POST for an upload that is under way is answered at once with where to go on, and ends the one before.', async (t) => {
  const { receiver, client } = await setUp(t)
  const first = client.begin(600_000)
  await client.arrived(first)
  const other = new ResumingClient(receiver, message)
  const second = other.begin(0)
  const answer = await new Promise<IncomingHttpHeaders>((resolve) => {
    second.stream.once('response', resolve)
  })
  assert.equal(answer[':status'], 409)
  assert.equal(answer.location, client.path)
  assert.equal(answer['upload-offset'], '600000')
  assert.equal(answer['upload-complete'], '?0')
  second.stream.destroy()
  assert.equal(await first.answer, undefined)
  assert.deepEqual(statusesOf(await other.patch(600_000)), ['stored'])
  await assertStoredOnce(receiver)
})

test('invariant 6: of two uploaders on one upload the newer wins, and the bytes of both fit together.', async (t) => {
  const { receiver, client } = await setUp(t)
  await client.arrived(client.begin(500_000))
  const other = new ResumingClient(receiver, message)
  for (let offset = 500_000; offset < 2_500_000; offset += 500_000) {
    const [one, two] = [client, other].map((each) => each.goOn(offset, offset + 500_000))
    await Promise.race([one!.answer, two!.answer])
    // One was ended, or refused for its offset; the other one's bytes are taken.
    one!.stream.destroy(new Error('reset'))
    two!.stream.destroy(new Error('reset'))
    await Promise.all([one!.answer, two!.answer])
    const reached = await client.offset()
    if (reached! < offset + 500_000) {
      const goingOn = client.goOn(reached!, offset + 500_000)
      await client.arrived(goingOn)
      assert.equal(await other.offset(), offset + 500_000)
    }
  }
  assert.deepEqual(statusesOf(await other.patch(2_500_000)), ['stored'])
  await assertStoredOnce(receiver)
})

test('An upload of which every byte has arrived is not ended by a newer request, which gets its outcome.', async (t) => {
  const { receiver, client } = await setUp(t)
  for (let round = 0; round < 5; round += 1) {
    const other = new ResumingClient(receiver, message)
    const posted = client.post().catch(() => {})
    const asked = await other.ask('HEAD')
    const offset = Number(asked.headers['upload-offset'] ?? -1)
    if (asked.headers['upload-complete'] === '?1') assert.equal(offset, length)
    await posted
    if (offset >= 0 && offset < length) await other.patch(offset)
  }
  assert.deepEqual(statusesOf(await client.post()), ['already_stored'])
  await assertStoredOnce(receiver)
})

test('DELETE ends a request under way and gives the space back; then the upload is unknown.', async (t) => {
  const { receiver, client } = await setUp(t)
  const begun = client.begin(1_500_000)
  await client.arrived(begun)
  assert.equal(partsOf(receiver).length, 1)
  const other = new ResumingClient(receiver, message)
  assert.equal((await other.ask('DELETE')).status, 204)
  assert.equal(await begun.answer, undefined)
  assert.deepEqual(partsOf(receiver), [])
  for (const method of ['HEAD', 'GET', 'DELETE'] as const) {
    assert.equal((await other.ask(method)).status, 404)
  }
  assert.equal((await other.patch(1_500_000)).status, 404)
  assert.deepEqual(statusesOf(await other.post()), ['stored'])
  assert.equal((await other.ask('DELETE')).status, 409, 'what is stored stays')
  await assertStoredOnce(receiver)
})

test('A wrong offset is refused with the right one, and a length that changes is refused.', async (t) => {
  const { receiver, client } = await setUp(t)
  await client.arrived(client.begin(700_000))
  assert.equal(await client.offset(), 700_000)
  for (const wrong of [0, 699_999, 700_001, length]) {
    const answer = await client.patch(wrong)
    assert.equal(answer.status, 409)
    assert.equal(answer.headers['upload-offset'], '700000')
    assert.equal(answer.headers['upload-complete'], '?0')
    assert.match(String(answer.body), /http-problem-types#mismatching-upload-offset/)
    assert.equal(json(answer)['expected-offset'], 700_000)
    assert.equal(json(answer)['provided-offset'], wrong)
  }
  const short = await client.patch(700_000, 800_000, { 'upload-complete': '?1' })
  assert.equal(short.status, 400)
  assert.match(String(short.body), /http-problem-types#inconsistent-upload-length/)
  assert.equal((await client.ask('HEAD')).headers['upload-length'], String(length))
  assert.deepEqual(statusesOf(await client.patch(700_000)), ['stored'])
  await assertStoredOnce(receiver)
})

test('A careful client creates an upload empty, sends it in parts, and completes it with nothing.', async (t) => {
  const { receiver, client } = await setUp(t)
  const headers = {
    ...uploadHeaders(receiver.robot, message),
    'content-length': 0,
    'upload-complete': '?0',
  }
  const created = await ask(client.session, headers, '')
  assert.equal(created.status, 201)
  assert.equal(created.headers.location, client.path)
  assert.match(String(created.headers['upload-limit']), /max-size=\d+, max-age=604800/)
  let offset = 0
  while (offset < length) {
    const end = Math.min(length, offset + 800_000)
    const answer = await client.patch(offset, end)
    assert.equal(answer.status, 204)
    assert.equal(answer.headers['upload-offset'], String(end))
    assert.equal(answer.headers['upload-complete'], '?0')
    offset = end
  }
  const head = await client.ask('HEAD')
  assert.equal(head.headers['upload-complete'], '?0')
  assert.equal(head.headers['upload-length'], undefined, 'nobody has told it yet')
  assert.deepEqual(statusesOf(await client.patch(length)), ['stored'])
  await assertStoredOnce(receiver)
  // Its length was written into its record at the end.
  await receiver.receiver.close()
  await rm(join(receiver.dataDir, 'catalog.sqlite'))
  const again = await startRunning(t, { dataDir: receiver.dataDir })
  await assertStoredOnce(again)
})

test('A client of the draft is told early where to go on, also when it names no id.', async (t) => {
  const { receiver, client } = await setUp(t)
  const interop = { 'upload-draft-interop-version': '8', 'idempotency-key': undefined }
  const { stream, answer } = client.begin(400_000, interop)
  const interim = await new Promise<IncomingHttpHeaders>((resolve) => {
    stream.once('headers', resolve)
  })
  assert.equal(interim[':status'], 104)
  assert.equal(interim['upload-draft-interop-version'], '8')
  assert.match(String(interim['upload-limit']), /max-age/)
  const path = String(interim.location)
  await client.arrived({ stream, answer })
  stream.destroy(new Error('reset'))
  await answer
  const authorization = receiver.robot
  const head = await ask(client.session, { ':method': 'HEAD', ':path': path, authorization })
  assert.equal(head.headers['upload-offset'], '400000')
  const finished = await client.patch(400_000, undefined, { ':path': path })
  assert.deepEqual(statusesOf(finished), ['stored'])
  await assertStoredOnce(receiver)
  // Whoever does not say the version gets no interim answer.
  const plain = client.begin(10, { 'upload-draft-interop-version': '7' })
  let interims = 0
  plain.stream.on('headers', () => (interims += 1))
  await client.arrived(plain)
  assert.equal(await client.offset(), 10)
  assert.equal(interims, 0)
})

test('OPTIONS says what uploads may be, of all of them and of one.', async (t) => {
  const { receiver, client } = await setUp(t)
  const authorization = receiver.robot
  for (const path of ['/v1/uploads', client.path]) {
    const headers = { ':method': 'OPTIONS', ':path': path, authorization }
    const answer = await ask(client.session, headers)
    assert.equal(answer.status, 204)
    assert.equal(answer.headers['accept-patch'], 'application/partial-upload')
    assert.match(String(answer.headers['upload-limit']), /max-size=\d+/)
  }
})

test('What a PATCH must say is told when it is missing, and the upload stays as it was.', async (t) => {
  const { client } = await setUp(t)
  await client.arrived(client.begin(300_000))
  const offset = (await client.offset())!
  const wrong: readonly [OutgoingHttpHeaders, number][] = [
    [{ 'content-type': 'multipart/form-data; boundary=x' }, 415],
    [{ 'upload-offset': undefined }, 400],
    [{ 'upload-offset': '-1' }, 400],
    [{ 'upload-offset': '"300000"' }, 400],
    [{ 'upload-complete': undefined }, 400],
    [{ 'upload-complete': 'yes' }, 400],
    [{ 'upload-offset': '999999999999999' }, 409],
  ]
  for (const [more, status] of wrong) {
    const { status: found } = await client.patch(offset, offset + 10, more)
    assert.equal(found, status, JSON.stringify(more))
  }
  assert.equal(await client.offset(), offset)
})

test('invariant 9: another machine sees and touches nothing of an upload, by whatever method.', async (t) => {
  const { receiver, client } = await setUp(t)
  await client.arrived(client.begin(1_000_000))
  const stranger = new ResumingClient(receiver, message, await receiver.addMachine('stranger'))
  for (const method of ['HEAD', 'GET', 'DELETE'] as const) {
    assert.equal((await stranger.ask(method)).status, 404)
  }
  assert.equal((await stranger.patch(1_000_000)).status, 404)
  // Its own upload of the same id is another one.
  assert.deepEqual(statusesOf(await stranger.post()), ['stored'])
  assert.equal(await client.offset(), 1_000_000)
  assert.deepEqual(statusesOf(await client.patch(1_000_000)), ['stored'])
  assert.equal((await receiver.stored()).length, 2)
})

test('A full disk ends a request, keeps what had arrived, and the upload goes on when there is room.', async (t) => {
  const { receiver, client } = await setUp(t)
  await client.arrived(client.begin(900_000))
  await receiver.receiver.close()
  const full = await startRunning(t, { dataDir: receiver.dataDir, minFreeShare: 0.999999 })
  const waiting = new ResumingClient({ ...full, robot: receiver.robot }, message)
  assert.equal((await waiting.patch(900_000)).status, 507)
  assert.equal(await waiting.offset(), 900_000)
  await full.receiver.close()
  const again = await startRunning(t, { dataDir: receiver.dataDir })
  const next = new ResumingClient({ ...again, robot: receiver.robot }, message)
  assert.deepEqual(statusesOf(await next.patch(900_000)), ['stored'])
})

test('A small message is no resource of its own, whatever it asks for.', async (t) => {
  const { receiver, client } = await setUp(t)
  const small = buildMessage([{ path: '/small', bytes: 'small' }])
  const single = { 'upload-complete': '?1' }
  const taken = await upload(client.session, receiver.robot, small, single)
  assert.equal(taken.status, 200)
  assert.equal(taken.headers['upload-complete'], '?1', 'there is nothing to go on with')
  assert.deepEqual(partsOf(receiver), [])
  // All the same its outcome can be asked for.
  const path = `/v1/uploads/${small.uploadId}`
  const answer = await ask(client.session, { ':path': path, authorization: receiver.robot })
  assert.deepEqual(statusesOf(answer), ['stored'])
})

test('invariant 6: a POST for what has arrived for the most part needs no room for all of it again.', async (t) => {
  const { receiver, client } = await setUp(t)
  await client.arrived(client.begin(900_000))
  await receiver.receiver.close()
  const full = await startRunning(t, { dataDir: receiver.dataDir, minFreeShare: 0.999999 })
  const waiting = new ResumingClient({ ...full, robot: receiver.robot }, message)
  const known = await waiting.post()
  assert.equal(known.status, 409)
  assert.equal(known.headers.location, waiting.path)
  assert.equal(known.headers['upload-offset'], '900000')
})

test('invariant 3: an upload whose answer was lost is answered on a full disk too; another one is refused.', async (t) => {
  const { receiver, client } = await setUp(t)
  await client.post()
  await receiver.receiver.close()
  const full = await startRunning(t, { dataDir: receiver.dataDir, minFreeShare: 0.999999 })
  const robot = { ...full, robot: receiver.robot }
  const known = await new ResumingClient(robot, message).post()
  assert.equal(known.headers['upload-complete'], '?1')
  assert.deepEqual(statusesOf(known), ['already_stored'])
  const other = buildMessage([{ path: '/other', bytes }])
  assert.equal((await new ResumingClient(robot, other).post()).status, 507)
})

test('What was begun empty stays when a request for its first bytes brings none, or is ended by a newer one.', async (t) => {
  const { receiver, client } = await setUp(t)
  const empty = { 'upload-complete': '?0', 'content-length': 0 }
  const headers = { ...uploadHeaders(receiver.robot, message), ...empty }
  assert.equal((await ask(client.session, headers, '')).status, 201)
  for (const isEndedByNewer of [false, true]) {
    const begun = client.goOn(0, 0)
    await client.arrived(begun)
    if (!isEndedByNewer) begun.stream.destroy()
    assert.equal(await client.offset(), 0)
    assert.equal(await begun.answer, undefined)
  }
  client.goOn(0, 0)
  assert.deepEqual(statusesOf(await client.patch(0)), ['stored'])
  assert.deepEqual(receiver.lines.length, 1, 'upload_resumed')
})

test('An upload that comes in parts, each as announced, is not said to have broken off.', async (t) => {
  const { receiver, client } = await setUp(t)
  const headers = { ...uploadHeaders(receiver.robot, message), 'upload-complete': '?0' }
  const part = message.body.subarray(0, 1000)
  assert.equal(
    (await ask(client.session, { ...headers, 'content-length': 1000 }, part)).status,
    201,
  )
  assert.deepEqual(statusesOf(await client.patch(1000)), ['stored'])
  assert.deepEqual(receiver.lines, [])
})
