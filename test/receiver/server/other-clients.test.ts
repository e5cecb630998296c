import assert from 'node:assert/strict'
import type { OutgoingHttpHeaders } from 'node:http2'
import { test } from 'node:test'
import { blake3 } from '../../../src/base/hash.ts'
import {
  curlEscaped,
  curlRaw,
  curlThreeFiles,
  type RecordedRequest,
  threeFiles,
} from '../../support/curl-requests.ts'
import { ask, json, type RunningReceiver, startRunning } from '../support/receiver.ts'

/** The header fields that curl sends with it. */
function fieldsOf(receiver: RunningReceiver, request: RecordedRequest): OutgoingHttpHeaders {
  const { contentType, contentDisposition, body } = request
  return {
    ':method': 'POST',
    ':path': '/v1/uploads',
    authorization: receiver.robot,
    'user-agent': 'curl/7.88.1',
    accept: '*/*',
    ...(contentType !== '' && { 'content-type': contentType }),
    ...(contentDisposition !== '' && { 'content-disposition': contentDisposition }),
    'content-length': body.length,
  }
}

function outcomesOf(receiver: RunningReceiver, request: RecordedRequest, more = {}) {
  const session = receiver.connect()
  const headers = { ...fieldsOf(receiver, request), ...more }
  return ask(session, headers, request.body).then((answer) => {
    assert.equal(answer.status, 200, String(answer.body))
    return json(answer).outcomes as Record<string, unknown>[]
  })
}

test('invariant 3: a form from curl is stored, and offered again is already stored.', async (t) => {
  const receiver = await startRunning(t)
  const expected = threeFiles.map(([path, , text]) => ({
    path: Buffer.from(path, 'latin1').toString(),
    size: text.length,
    blake3: blake3(Buffer.from(text, 'latin1')),
  }))
  for (const status of ['stored', 'already_stored']) {
    assert.deepEqual(
      await outcomesOf(receiver, curlThreeFiles),
      expected.map((outcome) => ({ status, ...outcome })),
    )
  }
  const [escaped] = await outcomesOf(receiver, curlEscaped)
  assert.deepEqual(escaped, { status: 'already_stored', ...expected[1] })
  const stored = await receiver.stored()
  assert.deepEqual(
    stored.map(({ path, bytes }) => [path, bytes.toString('latin1')]),
    threeFiles.map(([path, , text]) => [path, text]),
  )
})

test('invariant 3: other content under the same name is a further version.', async (t) => {
  const receiver = await startRunning(t)
  for (const [text, status] of [
    ['one', 'stored'],
    ['two', 'stored'],
    ['one', 'already_stored'],
  ] as const) {
    const [outcome] = await outcomesOf(receiver, { ...curlRaw, body: Buffer.from(text) })
    assert.equal(outcome!.status, status)
  }
  const stored = await receiver.stored()
  assert.deepEqual(
    stored.map(({ path, bytes }) => [path, String(bytes)]),
    [
      ['/raw.jpg', 'one'],
      ['/raw.jpg', 'two'],
    ],
  )
})

test('A form and a raw body of more than 4 MiB are written as they arrive.', async (t) => {
  const receiver = await startRunning(t)
  const bytes = Buffer.alloc(5 * 1024 * 1024, 'large\r\n--')
  const large: RecordedRequest = {
    contentType: 'multipart/form-data; boundary=B',
    contentDisposition: '',
    body: Buffer.concat([
      Buffer.from('--B\r\nContent-Disposition: form-data; name="f"; filename="form"\r\n\r\n'),
      bytes,
      Buffer.from('\r\n--B--\r\n'),
    ]),
  }
  const raw: RecordedRequest = { ...curlRaw, body: bytes }
  const complete = { 'upload-complete': '?1' }
  for (const [request, path] of [
    [large, '/form'],
    [raw, '/raw.jpg'],
  ] as const) {
    const refused = await ask(receiver.connect(), fieldsOf(receiver, request), request.body)
    assert.equal(refused.status, 413)
    const outcome = { path, size: bytes.length, blake3: blake3(bytes) }
    const first = await outcomesOf(receiver, request, complete)
    assert.deepEqual(first, [{ status: 'stored', ...outcome }])
    const second = await outcomesOf(receiver, request, complete)
    assert.deepEqual(second, [{ status: 'already_stored', ...outcome }])
  }
  const stored = await receiver.stored()
  assert.deepEqual(
    stored.map((file) => blake3(file.bytes)),
    [blake3(bytes), blake3(bytes)],
  )
})

test('invariant 4: a name that climbs is rejected alone, whoever sends it.', async (t) => {
  const receiver = await startRunning(t)
  const body = curlThreeFiles.body.toString('latin1').replace('"a.jpg"', '"../../etc/passwd"')
  const outcomes = await outcomesOf(receiver, {
    ...curlThreeFiles,
    body: Buffer.from(body, 'latin1'),
  })
  assert.deepEqual(
    outcomes.map(({ status, reason }) => reason ?? status),
    ['name_not_allowed', 'stored', 'stored'],
  )
  assert.equal((await receiver.stored()).length, 2)
})

test('A body without a name and a form without a file are refused, and nothing is stored.', async (t) => {
  const receiver = await startRunning(t)
  const field = '--B\r\nContent-Disposition: form-data; name="note"\r\n\r\nhi\r\n--B--\r\n'
  const refused: readonly [RecordedRequest, number, string][] = [
    [{ ...curlRaw, contentDisposition: '' }, 415, 'bad_content_type'],
    [{ ...curlRaw, contentDisposition: 'attachment' }, 400, 'bad_request'],
    [
      {
        contentType: 'multipart/form-data; boundary=B',
        contentDisposition: '',
        body: Buffer.from(field),
      },
      400,
      'bad_multipart',
    ],
  ]
  for (const [request, status, code] of refused) {
    const answer = await ask(receiver.connect(), fieldsOf(receiver, request), request.body)
    assert.equal(answer.status, status)
    assert.equal(json(answer).type, `urn:longshore:problem:${code}`)
  }
  assert.deepEqual(await receiver.stored(), [])
})
