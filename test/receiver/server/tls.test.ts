import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { buildMessage } from '../../support/message.ts'
import { makeTestCertificate } from '../../support/test-certificate.ts'
import { type RunningReceiver, startRunning, upload } from '../support/receiver.ts'

const message = buildMessage([{ path: '/a', bytes: 'a' }])

function dial(
  t: TestContext,
  { port, caPem }: Pick<RunningReceiver, 'port' | 'caPem'>,
  options: ConnectionOptions,
): TLSSocket {
  const socket = connect({ port, host: 'localhost', ca: caPem, ALPNProtocols: ['h2'], ...options })
  t.after(() => socket.destroy())
  return socket
}

/** What this client can do, it would do: it is the receiver that refuses. */
const weak: Readonly<Record<string, ConnectionOptions>> = {
  'TLS 1.0': { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' },
  'TLS 1.1': { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' },
  'a cipher in CBC mode': { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' },
  'a cipher without encryption': { maxVersion: 'TLSv1.2', ciphers: 'eNULL@SECLEVEL=0' },
  'a cipher without authentication': { maxVersion: 'TLSv1.2', ciphers: 'aNULL@SECLEVEL=0' },
}

const strong: Readonly<Record<string, ConnectionOptions>> = {
  'TLS 1.3': { minVersion: 'TLSv1.3' },
  'TLS 1.3 with ChaCha20': { ciphers: 'TLS_CHACHA20_POLY1305_SHA256', minVersion: 'TLSv1.3' },
  'TLS 1.2 with AES-GCM': { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
  'TLS 1.2 with ChaCha20': { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' },
}

test('invariant 9: old versions and weak ciphers of TLS are refused, also with a renewed certificate.', async (t) => {
  const receiver = await startRunning(t)
  const renewed = await makeTestCertificate({ names: ['localhost'] })
  for (const { caPem } of [receiver, renewed]) {
    for (const [what, options] of Object.entries(weak)) {
      const socket = dial(t, { port: receiver.port, caPem }, options)
      await assert.rejects(once(socket, 'secureConnect'), /alert|no cipher|unsupported/i, what)
    }
    for (const [what, options] of Object.entries(strong)) {
      const socket = dial(t, { port: receiver.port, caPem }, options)
      await once(socket, 'secureConnect')
      assert.equal(socket.alpnProtocol, 'h2', what)
    }
    if (caPem === receiver.caPem) {
      assert.equal((await upload(receiver.connect(), receiver.robot, message)).status, 200)
      receiver.receiver.useCertificate(renewed)
    }
  }
})
