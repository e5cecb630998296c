import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { TransferFailure } from '../../src/wire/transfer-failure.ts'
import { failureOf, isGoingAway, isSessionGone, retryAfterMs } from '../../workers/failure.ts'
import { Lane } from '../../workers/lane.ts'
import { probe } from '../../workers/probe.ts'
import { makeTestCertificate } from '../support/test-certificate.ts'
import { startTestReceiver, type TestReceiver } from '../support/test-receiver.ts'

let receiver: TestReceiver

before(async () => {
  receiver = await startTestReceiver()
})

after(() => receiver.close())

async function failureAt(options: {
  readonly address: string
  readonly caPem?: string
  readonly authorization?: string
  readonly stallMs?: number
}): Promise<TransferFailure> {
  const lane = new Lane({
    address: options.address,
    caPem: options.caPem ?? receiver.caPem,
    authorization: options.authorization ?? receiver.authorization,
    stallMs: options.stallMs ?? 60_000,
  })
  try {
    const answer = await probe(lane)
    assert.ok('kind' in answer, 'the receiver answered')
    return answer
  } finally {
    await lane.destroy(new Error('the test is over'))
  }
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

describe('what a person is told when the receiver', () => {
  test('is not running: unreachable', async () => {
    const server = createServer()
    const port = await listening(server)
    server.close()
    await once(server, 'close')
    const failure = await failureAt({ address: `https://localhost:${port}` })
    assert.equal(failure.kind, 'unreachable')
  })

  test('has no such name: unreachable', async () => {
    const failure = await failureAt({ address: 'https://no-such-host.invalid:8443' })
    assert.equal(failure.kind, 'unreachable')
  })

  test('has another CA: not trusted', async () => {
    const { caPem } = await makeTestCertificate({ names: ['localhost'] })
    const failure = await failureAt({ address: receiver.address, caPem })
    assert.equal(failure.kind, 'not_trusted')
  })

  test('knows another secret: refused with 401', async () => {
    const authorization = `Basic ${Buffer.from('robot:wrong').toString('base64')}`
    const failure = await failureAt({ address: receiver.address, authorization })
    assert.equal(failure.kind, 'refused')
    assert.equal(failure.status, 401)
    assert.equal(failure.problemCode, 'credentials_rejected')
  })

  for (const [what, certificate, kind] of [
    ['another name', { names: ['elsewhere.example'] }, 'certificate_wrong_name'],
    [
      'a certificate that is not yet valid',
      { names: ['localhost'], notBefore: new Date(Date.now() + 86_400_000) },
      'certificate_not_yet_valid',
    ],
    [
      'a certificate that has expired',
      { names: ['localhost'], notAfter: new Date(Date.now() - 86_400_000) },
      'certificate_expired',
    ],
  ] as const) {
    test(`has ${what}: ${kind}`, async () => {
      const { caPem, cert, key } = await makeTestCertificate(certificate)
      const server = createHttpsServer({ cert, key, ALPNProtocols: ['h2'] })
      const port = await listening(server)
      const failure = await failureAt({ address: `https://localhost:${port}`, caPem })
      server.close()
      assert.equal(failure.kind, kind)
    })
  }

  test('is a web server without HTTP/2: incompatible', async () => {
    const { caPem, cert, key } = await makeTestCertificate({ names: ['localhost'] })
    const server = createHttpsServer({ cert, key }, (_, response) => response.end('hello'))
    const port = await listening(server)
    const failure = await failureAt({ address: `https://localhost:${port}`, caPem })
    server.closeAllConnections()
    server.close()
    assert.equal(failure.kind, 'incompatible')
  })

  test('does not speak TLS: incompatible', async () => {
    const server = createServer((socket) => socket.end('220 smtp.example ESMTP\r\n'))
    const port = await listening(server)
    const failure = await failureAt({ address: `https://localhost:${port}` })
    server.close()
    assert.equal(failure.kind, 'incompatible')
  })

  test('closes the connection at once: the connection is lost', async () => {
    const server = createServer((socket) => socket.destroy())
    const port = await listening(server)
    const failure = await failureAt({ address: `https://localhost:${port}` })
    server.close()
    assert.equal(failure.kind, 'connection_lost')
  })

  test('goes silent: stalled, and the connection is given up', async () => {
    const quiet = await startSilentReceiver()
    const failure = await failureAt({ address: quiet.address, caPem: quiet.caPem, stallMs: 40 })
    await quiet.close()
    assert.equal(failure.kind, 'stalled')
  })
})

/** Speaks TLS and HTTP/2, and never answers a request. */
async function startSilentReceiver() {
  const { createSecureServer } = await import('node:http2')
  const { caPem, cert, key } = await makeTestCertificate({ names: ['localhost'] })
  const server = createSecureServer({ cert, key })
  server.on('session', (session) => session.on('error', () => {}))
  server.on('stream', (stream) => stream.on('error', () => {}))
  const port = await listening(server)
  return {
    address: `https://localhost:${port}`,
    caPem,
    close: async () => {
      server.close()
    },
  }
}

test('an error that is not known is a broken connection', () => {
  assert.equal(failureOf(new Error('odd')).kind, 'connection_lost')
  assert.equal(failureOf('text').kind, 'connection_lost')
  const nested = new Error('fetch failed', {
    cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }),
  })
  assert.equal(failureOf(nested).kind, 'unreachable')
})

describe('Retry-After', () => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z')

  test('is read as seconds, however many', () => {
    assert.deepEqual(retryAfterMs('120'), { retryAfterMs: 120_000 })
    assert.deepEqual(retryAfterMs('0'), { retryAfterMs: 0 })
    assert.deepEqual(retryAfterMs('9'.repeat(400)), { retryAfterMs: 1e12 })
  })

  test('is read as a date in each of its three forms; one that is over means now', () => {
    for (const value of [
      'Thu, 01 Jan 2026 00:00:30 GMT',
      'Thursday, 01-Jan-26 00:00:30 GMT',
      'Thu Jan  1 00:00:30 2026',
    ]) {
      assert.deepEqual(retryAfterMs(value, '', nowMs), { retryAfterMs: 30_000 }, value)
    }
    assert.deepEqual(retryAfterMs('Wed, 31 Dec 2025 00:00:00 GMT', '', nowMs), { retryAfterMs: 0 })
  })

  test('as a date is measured against the receiver’s clock, not against one that is years behind', () => {
    const date = 'Thu, 01 Jan 2026 00:00:00 GMT'
    const longAgoMs = 0
    const asked = retryAfterMs('Thu, 01 Jan 2026 00:00:30 GMT', date, longAgoMs)
    assert.deepEqual(asked, { retryAfterMs: 30_000 })
    assert.deepEqual(retryAfterMs('Thu, 01 Jan 2026 00:00:30 GMT', 'yesterday', nowMs), asked)
  })

  test('that is neither is as good as none', () => {
    for (const value of ['soon', '', '1.5', '-1', '1e9', 'Thu, 99 Foo 2026 00:00:30 GMT']) {
      assert.deepEqual(retryAfterMs(value), {}, value)
    }
  })
})

test('a session that is gone and one that takes no more are told apart, wrapped or not', () => {
  for (const [code, expected] of [
    ['ERR_HTTP2_INVALID_SESSION', [true, false]],
    ['ERR_HTTP2_GOAWAY_SESSION', [false, true]],
    ['ERR_HTTP2_STREAM_CANCEL', [false, false]],
  ] as const) {
    const error = Object.assign(new Error('of Node'), { code })
    for (const each of [error, new Error('of undici', { cause: error })]) {
      assert.deepEqual([isSessionGone(each), isGoingAway(each)], expected)
    }
  }
})
