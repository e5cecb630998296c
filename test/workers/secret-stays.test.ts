import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createServer, type TlsOptions } from 'node:tls'
import { Lane } from '../../workers/lane.ts'
import { probe } from '../../workers/probe.ts'
import {
  makeTestCertificate,
  type TestCertificate,
  type TestCertificateOptions,
} from '../support/test-certificate.ts'

const dayMs = 86_400_000
const secret = 'a-secret-that-must-not-leave'
const authorization = `Basic ${Buffer.from(`robot:${secret}`).toString('base64')}`

/** A server that somebody else runs, and what it gets to read of what a device sends it. */
async function listenIn(t: TestContext, certificate: TestCertificate, options: TlsOptions) {
  const got = { plainBytes: 0, handshakes: 0 }
  const server = createServer({ ...certificate, ALPNProtocols: ['h2'], ...options }, (socket) => {
    got.handshakes += 1
    socket.on('error', () => {})
    socket.on('data', ({ length }) => {
      got.plainBytes += length
      // It has seen what it wanted to.
      socket.destroy()
    })
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return { got, address: `https://localhost:${port}` }
}

async function failureOfProbe(address: string, caPem: string): Promise<string> {
  const lane = new Lane({ address, caPem, authorization, stallMs: 60_000 })
  try {
    const answer = await probe(lane)
    assert.ok('kind' in answer)
    return answer.kind
  } finally {
    await lane.destroy(new Error('the test is over'))
  }
}

interface Impostor {
  readonly what: string
  readonly kind: string
  readonly certificate?: Partial<TestCertificateOptions>
  readonly options?: TlsOptions
  readonly trustsAnother?: boolean
}

const impostors: readonly Impostor[] = [
  { what: 'a certificate of another CA', kind: 'not_trusted', trustsAnother: true },
  {
    what: 'a certificate for another name',
    kind: 'certificate_wrong_name',
    certificate: { names: ['elsewhere.example'] },
  },
  {
    what: 'a certificate that has expired',
    kind: 'certificate_expired',
    certificate: { notAfter: new Date(Date.now() - dayMs) },
  },
  {
    what: 'a certificate that is not yet valid',
    kind: 'certificate_not_yet_valid',
    certificate: { notBefore: new Date(Date.now() + dayMs) },
  },
  {
    what: 'nothing newer than TLS 1.1',
    kind: 'incompatible',
    options: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' },
  },
  {
    what: 'a cipher without encryption',
    kind: 'incompatible',
    options: { maxVersion: 'TLSv1.2', ciphers: 'eNULL@SECLEVEL=0' },
  },
  { what: 'no HTTP/2', kind: 'incompatible', options: { ALPNProtocols: ['http/1.1'] } },
  { what: 'another protocol', kind: 'incompatible', options: { ALPNProtocols: [] } },
]

for (const { what, kind, certificate, options = {}, trustsAnother } of impostors) {
  test(`invariant 9: no byte of a secret goes to a server with ${what}.`, async (t) => {
    const made = await makeTestCertificate({ names: ['localhost'], ...certificate })
    const trusted = trustsAnother ? await makeTestCertificate({ names: ['localhost'] }) : made
    const { got, address } = await listenIn(t, made, options)
    assert.equal(await failureOfProbe(address, trusted.caPem), kind)
    assert.equal(got.plainBytes, 0)
  })
}

test('A server that a device does trust gets to read what it sends.', async (t) => {
  const made = await makeTestCertificate({ names: ['localhost'] })
  const { got, address } = await listenIn(t, made, {})
  await failureOfProbe(address, made.caPem)
  assert.equal(got.handshakes, 1)
  assert.ok(got.plainBytes > 0)
})

test('invariant 9: a server without TLS gets to see neither a secret nor what it is for.', async (t) => {
  let bytes = Buffer.alloc(0)
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (piece) => {
      bytes = Buffer.concat([bytes, piece])
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { caPem } = await makeTestCertificate({ names: ['localhost'] })
  const { port } = server.address() as AddressInfo
  await failureOfProbe(`https://localhost:${port}`, caPem)
  assert.equal(bytes[0], 0x16, 'the first message of a TLS handshake')
  for (const text of [secret, 'robot', 'Basic', authorization.slice(6)]) {
    assert.equal(bytes.includes(text), false)
  }
})
