import assert from 'node:assert/strict'
import { type ClientHttp2Session, connect, constants } from 'node:http2'
import { get } from 'node:https'
import { type TestContext, test } from 'node:test'
import { decodeOutcomes } from '../../src/wire/outcome.ts'
import {
  type Answer,
  answerOf,
  until,
  upload,
  uploadHeaders,
} from '../receiver/support/receiver.ts'
import { buildMessage } from '../support/message.ts'
import { MisbehavingReceiver } from '../support/misbehaving-receiver.ts'
import { early, problem, proxyPage } from '../support/misbehaviour.ts'

const message = buildMessage([
  { path: '/a', bytes: 'some bytes' },
  { path: '/b', bytes: Buffer.alloc(200_000, 7) },
])

async function started(t: TestContext) {
  const bad = await MisbehavingReceiver.start()
  t.after(() => bad.close())
  const session = () => {
    const opened = connect(bad.address, { ca: bad.caPem })
    opened.on('error', () => {})
    t.after(() => opened.destroy())
    return opened
  }
  return { bad, session }
}

function statusesOf(answer: Answer): string[] {
  return decodeOutcomes(answer.body, 2).map(({ status }) => status)
}

/** Sends the message; undefined when it is not answered. */
async function offered(session: ClientHttp2Session): Promise<Answer | undefined> {
  const stream = session.request(uploadHeaders('any', message))
  const answer = answerOf(stream)
  stream.end(message.body)
  return answer
}

test('It behaves well by default: reads, checks, stores once.', async (t) => {
  const { bad, session } = await started(t)
  const device = session()
  assert.deepEqual(statusesOf(await upload(device, 'any', message)), ['stored', 'stored'])
  const again = await upload(device, 'any', message)
  assert.deepEqual(statusesOf(again), ['already_stored', 'already_stored'])
  const [a, b] = bad.files
  assert.deepEqual([a?.file.path, b?.file.path], ['/a', '/b'])
  assert.deepEqual([a?.digest, b?.digest], message.digests)
  assert.equal(bad.uploads[1]?.bodyBytes, message.body.length)
  const wrong = buildMessage([{ path: '/c', bytes: 'x', declaredDigest: '0'.repeat(64) }])
  const [outcome] = decodeOutcomes((await upload(device, 'any', wrong)).body, 1)
  assert.equal(outcome?.reason, 'digest_mismatch')
})

test('It says once what it was told to say, early or late, then behaves well.', async (t) => {
  const { bad, session } = await started(t)
  const device = session()
  const busy = problem(503, 'busy', { 'retry-after': '7' })
  bad.next(early(problem(413, 'too_large')), busy, proxyPage)
  assert.equal((await upload(device, 'any', message)).status, 413)
  const second = await upload(device, 'any', message)
  assert.equal(second.status, 503)
  assert.equal(second.headers['retry-after'], '7')
  assert.equal(bad.uploads[1]?.bodyBytes, message.body.length, 'a late answer follows the body')
  const third = await upload(device, 'any', message)
  assert.equal(third.headers['content-type'], 'text/html')
  assert.equal(bad.files.length, 0)
  assert.deepEqual(statusesOf(await upload(device, 'any', message)), ['stored', 'stored'])
})

test('It lies about outcomes, in any number.', async (t) => {
  const { bad, session } = await started(t)
  bad.next({ does: 'outcomes', change: (truth) => truth.slice(1) })
  const { body } = await upload(session(), 'any', message)
  const [outcome] = decodeOutcomes(body, 1)
  assert.equal(outcome?.digest, message.digests[1])
})

test('It resets streams with the code it was told.', async (t) => {
  const { bad, session } = await started(t)
  const device = session()
  for (const code of [constants.NGHTTP2_REFUSED_STREAM, constants.NGHTTP2_ENHANCE_YOUR_CALM]) {
    for (const afterBytes of [0, 100_000]) {
      bad.next({ does: 'reset', code, afterBytes })
      const stream = device.request(uploadHeaders('any', message))
      const answer = answerOf(stream)
      stream.end(message.body)
      assert.equal(await answer, undefined)
      assert.equal(stream.rstCode, code)
    }
  }
  assert.equal(bad.openConnections, 1)
})

test('It goes away, with the answer or without.', async (t) => {
  const { bad, session } = await started(t)
  const goaways = new Set<number>()
  for (const then of ['answers', 'silence'] as const) {
    const device = session()
    device.on('goaway', (code) => goaways.add(code))
    const code = then === 'answers' ? 0 : constants.NGHTTP2_INTERNAL_ERROR
    bad.next({ does: 'goaway', code, then })
    const answer = await offered(device)
    assert.equal(answer?.status, then === 'answers' ? 200 : undefined)
  }
  assert.deepEqual([...goaways], [0, constants.NGHTTP2_INTERNAL_ERROR])
})

for (const by of ['fin', 'rst'] as const) {
  test(`It dies by ${by} in the middle of a body.`, async (t) => {
    const { bad, session } = await started(t)
    bad.next({ does: 'death', by, afterBytes: 50_000 })
    const device = session()
    assert.equal(await offered(device), undefined)
    await until(() => device.destroyed && bad.openConnections === 0)
    assert.deepEqual(bad.files, [])
    assert.equal((await upload(session(), 'any', message)).status, 200)
  })
}

test('Its last words are a good answer.', async (t) => {
  const { bad, session } = await started(t)
  bad.next({ does: 'last_words' })
  const device = session()
  assert.equal((await offered(device))?.status, 200)
  await until(() => device.destroyed && bad.openConnections === 0)
  assert.equal(bad.files.length, 2)
})

test('It is silent, whether it reads the body or not.', async (t) => {
  const { bad, session } = await started(t)
  bad.every({ does: 'silence', readsBody: true })
  const device = session()
  void offered(device)
  await until(() => bad.uploads[0]?.bodyBytes === message.body.length)
  bad.every({ does: 'silence', readsBody: false })
  void offered(device)
  await until(() => bad.uploads.length === 2)
  // A request that is served meanwhile shows that the connection lives.
  bad.every(undefined)
  assert.equal((await offered(session()))?.status, 200)
  assert.deepEqual([bad.uploads[0]?.closed, bad.uploads[1]?.closed], [false, false])
})

test('It answers without end.', async (t) => {
  const { bad, session } = await started(t)
  bad.next({ does: 'endless' })
  const device = session()
  const stream = device.request(uploadHeaders('any', message))
  stream.on('error', () => {})
  let bytes = 0
  stream.on('data', (piece: Buffer) => {
    bytes += piece.length
    if (bytes > 1_000_000) device.destroy()
  })
  stream.end(message.body)
  await until(() => device.destroyed)
  await until(() => bad.uploads[0]?.closed === true)
})

test('It floods with SETTINGS and answers all the same.', async (t) => {
  const { bad, session } = await started(t)
  const device = session()
  let settings = 0
  device.on('remoteSettings', () => {
    settings += 1
  })
  bad.next({ does: 'settings_flood', frames: 300 })
  assert.equal((await offered(device))?.status, 200)
  await until(() => settings > 300)
})

test('It hangs up in the handshake, or knows HTTP/1.1 only, until it knows better.', async (t) => {
  const { bad, session } = await started(t)
  bad.handshake = 'closed'
  assert.equal(await offered(session()).catch(() => undefined), undefined)
  bad.handshake = 'http1'
  const status = await new Promise((resolve) => {
    get(bad.address, { ca: bad.caPem, agent: false }, ({ statusCode }) => resolve(statusCode))
  })
  assert.equal(status, 200)
  assert.equal(await offered(session()).catch(() => undefined), undefined)
  assert.equal(bad.uploads.length, 0)
  bad.handshake = 'http2'
  assert.equal((await offered(session()))?.status, 200)
})

test('Other methods are misbehaved upon by name; unfinished uploads are not known.', async (t) => {
  const { bad, session } = await started(t)
  const device = session()
  const ask = async (method: string, path: string) => {
    const answer = answerOf(device.request({ ':method': method, ':path': path }))
    return (await answer)?.status
  }
  bad.nextOf('HEAD', problem(500, 'internal'))
  assert.equal(await ask('HEAD', '/v1/uploads/x'), 500)
  assert.equal(await ask('HEAD', '/v1/uploads/x'), 404)
  assert.equal(await ask('DELETE', '/v1/uploads/x'), 404)
  assert.equal(await ask('GET', '/v1/machine'), 200)
})
