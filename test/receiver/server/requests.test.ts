import assert from 'node:assert/strict'
import { rename } from 'node:fs/promises'
import type { OutgoingHttpHeaders } from 'node:http2'
import { join } from 'node:path'
import { test } from 'node:test'
import { version } from '../../../src/base/version.ts'
import {
  maxBundleMessageBytes,
  maxFileSizeBytes,
  singleUploadAboveBytes,
} from '../../../src/wire/limits.ts'
import { decodeOutcomes } from '../../../src/wire/outcome.ts'
import { buildMessage } from '../../support/message.ts'
import {
  type Answer,
  answerOf,
  ask,
  basic,
  json,
  type RunningReceiver,
  startRunning,
  upload,
  uploadHeaders,
} from '../support/receiver.ts'

const message = buildMessage([
  { path: '/a', bytes: 'first' },
  { path: '/wrong', bytes: 'wrong', declaredDigest: '00'.repeat(32) },
])

/** A problem document (RFC 9457) of this status and code. */
function assertProblem(answer: Answer, status: number, code: string, detail?: RegExp): void {
  assert.equal(answer.status, status, String(answer.body))
  assert.equal(answer.headers['content-type'], 'application/problem+json')
  const problem = json(answer)
  assert.equal(problem.type, `urn:longshore:problem:${code}`)
  assert.equal(problem.status, status)
  assert.equal(typeof problem.detail, 'string')
  if (detail !== undefined) assert.match(String(problem.detail), detail)
}

function postWith(receiver: RunningReceiver, more: OutgoingHttpHeaders, body = message.body) {
  const headers = { ...uploadHeaders(receiver.robot, message), ...more }
  return ask(receiver.connect(), headers, body)
}

test('A complete message is answered with one outcome per file, as JSON or msgpack.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  const asJson = await upload(session, receiver.robot, message)
  assert.equal(asJson.status, 200)
  assert.equal(asJson.headers['content-type'], 'application/json')
  assert.deepEqual(json(asJson), {
    outcomes: [
      { status: 'stored', size: 5, blake3: message.digests[0] },
      { status: 'rejected', reason: 'digest_mismatch', size: 5, blake3: message.digests[1] },
    ],
  })
  const accept = 'application/vnd.msgpack'
  const asMsgpack = await upload(session, receiver.robot, message, { accept })
  assert.equal(asMsgpack.headers['content-type'], accept)
  assert.deepEqual(decodeOutcomes(asMsgpack.body, 2)[0], {
    status: 'already_stored',
    sizeBytes: 5,
    digest: message.digests[0],
  })
  assert.deepEqual(
    (await receiver.stored()).map(({ machine, path, bytes }) => [machine, path, String(bytes)]),
    [['robot', '/a', 'first']],
  )
  const rejections = receiver.lines.filter(({ event }) => event === 'files_rejected')
  assert.equal(rejections[0]?.fields.machine, 'robot')
})

test('A large upload gets a segment of its own, a small one does not, whatever it asks for.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  const single = { 'upload-complete': '?1' }
  const large = buildMessage([{ path: '/l', bytes: Buffer.alloc(singleUploadAboveBytes + 1) }])
  assert.equal((await upload(session, receiver.robot, large, single)).status, 200)
  for (const path of ['/1', '/2', '/3']) {
    const small = buildMessage([{ path, bytes: 'small' }])
    assert.equal((await upload(session, receiver.robot, small, single)).status, 200)
  }
  assert.equal((await receiver.segments()).length, 2)
  assert.equal((await receiver.stored()).length, 4)
})

test('A receiver says whom it takes a machine for, and how much room there is.', async (t) => {
  const receiver = await startRunning(t)
  const headers = { ':path': '/v1/machine', authorization: receiver.robot }
  const answer = json(await ask(receiver.connect(), headers))
  assert.equal(answer.machine, 'robot')
  assert.equal(answer.receiver, `longshore/${version}`)
  assert.equal(answer.protocol, 1)
  assert.equal(answer.store, 'folder')
  assert.ok(Number(answer.free_bytes) > 0 && Number(answer.total_bytes) > Number(answer.free_bytes))
})

test('Credentials that are unknown, wrong or missing are refused before the body is read.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  const other = await receiver.addMachine('gone')
  await receiver.removeMachine('gone')
  const wrong = [
    undefined,
    '',
    'Bearer x',
    basic('robot', 'wrong'),
    basic('nobody', 'x'),
    other,
    receiver.robot.slice(0, -4),
  ]
  for (const authorization of wrong) {
    const { authorization: _, ...headers } = uploadHeaders('', message)
    if (authorization !== undefined) headers.authorization = authorization
    // Not a byte of the body is sent.
    const stream = session.request(headers)
    const answer = answerOf(stream)
    stream.once('response', () => stream.end(message.body))
    const found = await answer
    assert.ok(found !== undefined)
    assertProblem(found, 401, 'credentials_rejected')
    assert.match(String(found.headers['www-authenticate']), /^Basic /)
  }
  assert.deepEqual(await receiver.segments(), [])
  const [line] = receiver.lines.filter(({ event }) => event === 'credentials_rejected')
  assert.equal(line?.fields.remote, '127.0.0.1')
})

test('A log line about wrong credentials names the machine, and a flood of them does not fill the log.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  const authorization = basic('mallory', 'guess')
  for (let guess = 0; guess < 50; guess += 1) {
    await ask(session, { ':path': '/v1/machine', authorization })
  }
  const lines = receiver.lines.filter(({ event }) => event === 'credentials_rejected')
  assert.equal(lines[0]?.fields.machine, 'mallory')
  assert.ok(lines.length < 20, `${lines.length} lines`)
})

test('A machine that is added or removed while the receiver runs is so at once.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  const authorization = await receiver.addMachine('late')
  assert.equal((await upload(session, authorization, message)).status, 200)
  await receiver.removeMachine('late')
  assert.equal((await upload(session, authorization, message)).status, 401)
})

test('invariant 3: the same file of two machines is two files, and neither sees the other.', async (t) => {
  const receiver = await startRunning(t)
  const other = await receiver.addMachine('other')
  const session = receiver.connect()
  for (const authorization of [receiver.robot, other]) {
    const [outcome] = json(await upload(session, authorization, message)).outcomes ?? []
    assert.equal((outcome as { status: string }).status, 'stored')
  }
  const stored = await receiver.stored()
  assert.deepEqual(
    stored.map(({ machine, path }) => [machine, path]),
    [
      ['other', '/a'],
      ['robot', '/a'],
    ],
  )
})

test('What is wrong with a request is told by status and code, without reading the body.', async (t) => {
  const receiver = await startRunning(t)
  const wrong: readonly [OutgoingHttpHeaders, number, string][] = [
    [{ 'content-length': 0 }, 400, 'bad_request'],
    [{ 'content-length': maxBundleMessageBytes + 1 }, 413, 'too_large'],
    [{ 'content-length': maxFileSizeBytes + 1, 'upload-complete': '?1' }, 413, 'too_large'],
    [{ 'content-type': 'text/plain' }, 415, 'bad_content_type'],
    [{ 'content-type': `${message.contentType}; x=${'y'.repeat(1100)}` }, 415, 'bad_content_type'],
    [{ 'content-disposition': 'z'.repeat(8193) }, 400, 'bad_request'],
    [{ 'idempotency-key': message.uploadId }, 400, 'bad_request'],
    [{ 'idempotency-key': `"${'A'.repeat(64)}"` }, 400, 'bad_request'],
    [{ ':path': '/' }, 404, 'not_found'],
    [{ ':path': '/v1/uploads/' }, 404, 'not_found'],
    [{ ':path': '/v1/machine' }, 405, 'method_not_allowed'],
  ]
  const session = receiver.connect()
  for (const [more, status, code] of wrong) {
    const stream = session.request({ ...uploadHeaders(receiver.robot, message), ...more })
    const answer = await new Promise<Answer>((resolve) => {
      stream.once('response', (headers) => {
        stream.once('data', (body) => {
          resolve({ status: Number(headers[':status']), headers, body })
          stream.destroy()
        })
      })
    })
    assertProblem(answer, status, code)
  }
  const noLength = { ...uploadHeaders(receiver.robot, message), 'content-length': undefined }
  assertProblem(await ask(session, noLength, message.body), 411, 'length_required')
  const get = { ':path': '/v1/uploads', authorization: receiver.robot }
  const wrongMethod = await ask(session, get)
  assertProblem(wrongMethod, 405, 'method_not_allowed', /POST/)
  assert.equal(wrongMethod.headers.allow, 'POST, OPTIONS')
  assert.deepEqual(await receiver.segments(), [])
  const refusals = receiver.lines.filter(({ event }) => event === 'upload_refused')
  assert.ok(refusals.length >= 9)
  assert.ok(refusals.every(({ fields }) => fields.machine === 'robot'))
})

test('HEAD is answered without a body, and the connection goes on.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  const headers = { ':method': 'HEAD', ':path': '/v1/machine', authorization: receiver.robot }
  const answer = await ask(session, headers)
  assert.equal(answer.status, 405)
  assert.equal(answer.body.length, 0)
  assert.equal((await upload(session, receiver.robot, message)).status, 200)
})

test('What is wrong with a message is told when it has arrived, and nothing of it is kept.', async (t) => {
  const receiver = await startRunning(t)
  const noise = Buffer.alloc(message.body.length, 'x')
  assertProblem(await postWith(receiver, {}, noise), 400, 'bad_multipart')
  const key = `"${'ab'.repeat(32)}"`
  assertProblem(await postWith(receiver, { 'idempotency-key': key }), 422, 'upload_id_mismatch')
  const shifted = Buffer.concat([message.body.subarray(0, -1)])
  shifted[message.offsets[0]! + 5 + 2] = 0x58
  assertProblem(
    await postWith(receiver, { 'content-length': shifted.length }, shifted),
    422,
    'length_mismatch',
  )
  assert.deepEqual(await receiver.segments(), [])
})

test('A disk that must be kept free is a 507 that says when to come back.', async (t) => {
  const receiver = await startRunning(t, { minFreeShare: 0.999999 })
  const answer = await postWith(receiver, {})
  assertProblem(answer, 507, 'storage_full', /--min-free/)
  assert.equal(answer.headers['retry-after'], '60')
})

test('A receiver that throws everything away needs no free disk for it.', async (t) => {
  const receiver = await startRunning(t, { minFreeShare: 0.999999, store: 'null' })
  assert.equal((await postWith(receiver, {})).status, 200)
})

test('While the machines cannot be read the answer is 503, not 401 or 500.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  const folder = join(receiver.dataDir, 'machines')
  await rename(folder, `${folder}.gone`)
  const answer = await upload(session, receiver.robot, message)
  assertProblem(answer, 503, 'data_folder_unusable')
  assert.ok(answer.headers['retry-after'])
  assert.ok(receiver.lines.some(({ event }) => event === 'data_folder_unusable'))
  await rename(`${folder}.gone`, folder)
  assert.equal((await upload(session, receiver.robot, message)).status, 200)
})

test('When the segments cannot be written the answer is 507, and the next upload is tried as ever.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  const folder = join(receiver.dataDir, 'segments')
  await rename(folder, `${folder}.gone`)
  assertProblem(await upload(session, receiver.robot, message), 507, 'not_durable')
  const large = buildMessage([{ path: '/l', bytes: Buffer.alloc(singleUploadAboveBytes + 1) }])
  const single = { 'upload-complete': '?1' }
  assertProblem(await upload(session, receiver.robot, large, single), 507, 'not_durable')
  const [line] = receiver.lines.filter(({ event }) => event === 'not_durable')
  assert.equal(line?.fields.machine, 'robot')
  assert.match(String(line?.fields.error), /ENOENT/)
  await rename(`${folder}.gone`, folder)
  assert.equal((await upload(session, receiver.robot, message)).status, 200)
  assert.equal((await upload(session, receiver.robot, large, single)).status, 200)
})

test('Without TLS it speaks HTTP/2 all the same.', async (t) => {
  const receiver = await startRunning(t, { cleartext: true })
  assert.equal((await upload(receiver.connect(), receiver.robot, message)).status, 200)
})
