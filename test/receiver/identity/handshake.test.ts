import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type TestContext, test } from 'node:test'
import { checkServerIdentity } from 'node:tls'
import { ensureCa } from '../../../src/receiver/identity/ca.ts'
import { CertificateKeeper } from '../../../src/receiver/identity/certificate-keeper.ts'
import type { ServerCertificate } from '../../../src/receiver/identity/server-certificate.ts'
import { localNames } from '../../../src/receiver/identity/server-names.ts'
import { temporaryFolder } from './support.ts'

interface AskOptions {
  readonly caPem: string
  /** The host of the address a device has; the connection itself goes to loopback. */
  readonly host: string
}

async function startServer(t: TestContext, certificate: ServerCertificate) {
  const server = createServer({ cert: certificate.cert, key: certificate.key }, (_, response) =>
    response.end('hello'),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const ask = ({ caPem, host }: AskOptions) =>
    new Promise<string>((resolve, reject) => {
      const request = get(
        {
          host: '127.0.0.1',
          port,
          ca: caPem,
          agent: false,
          checkServerIdentity: (_, cert) => checkServerIdentity(host, cert),
        },
        (response) => {
          response.setEncoding('utf8').on('data', resolve)
        },
      )
      request.on('error', reject)
    })
  return { server, ask, port }
}

test('A client that trusts only the CA accepts the receiver by each of its names and addresses.', async (t) => {
  const tlsFolder = await temporaryFolder(t)
  const ca = await ensureCa(tlsFolder)
  const options = { tlsFolder, ca, extraNames: ['receiver.example', '203.0.113.9'] }
  const keeper = await CertificateKeeper.open({ ...options, onRenewed: () => {} }, Date.now())
  const { ask } = await startServer(t, keeper.certificate)
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  const hosts = [
    ...['localhost', '127.0.0.1', '::1', 'receiver.example', '203.0.113.9'],
    ...localNames(),
    ...addresses.map(({ address }) => address),
  ]
  for (const host of new Set(hosts)) {
    assert.equal(await ask({ caPem: ca.certPem, host }), 'hello', host)
  }
  await assert.rejects(ask({ caPem: ca.certPem, host: 'other.example' }), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  })
})

test('A plain client reaches the receiver at localhost with nothing but the CA.', async (t) => {
  const tlsFolder = await temporaryFolder(t)
  const ca = await ensureCa(tlsFolder)
  const options = { tlsFolder, ca, extraNames: [], onRenewed: () => {} }
  const keeper = await CertificateKeeper.open(options, Date.now())
  const { port } = await startServer(t, keeper.certificate)
  const request = get({ host: 'localhost', family: 4, port, ca: ca.certPem, agent: false })
  const [response] = await once(request, 'response')
  assert.equal(response.statusCode, 200)
  response.resume()
})

test("A client that trusts another receiver's CA refuses.", async (t) => {
  const tlsFolder = await temporaryFolder(t)
  const ca = await ensureCa(tlsFolder)
  const other = await ensureCa(await temporaryFolder(t))
  const options = { tlsFolder, ca, extraNames: [], onRenewed: () => {} }
  const keeper = await CertificateKeeper.open(options, Date.now())
  const { ask } = await startServer(t, keeper.certificate)
  await assert.rejects(ask({ caPem: other.certPem, host: 'localhost' }), {
    code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  })
  assert.equal(await ask({ caPem: other.certPem + ca.certPem, host: 'localhost' }), 'hello')
})

test('A new address gives a new certificate in the running server, which old configs accept.', async (t) => {
  const tlsFolder = await temporaryFolder(t)
  const { certPem: caPem, key } = await ensureCa(tlsFolder)
  let names = ['localhost']
  const renewed: ServerCertificate[] = []
  const keeper = await CertificateKeeper.open(
    {
      tlsFolder,
      ca: { certPem: caPem, key },
      extraNames: ['receiver.example'],
      localNames: () => names,
      onRenewed: (certificate) => {
        renewed.push(certificate)
        server.setSecureContext({ cert: certificate.cert, key: certificate.key })
      },
    },
    Date.now(),
  )
  const first = keeper.certificate
  const { server, ask } = await startServer(t, first)
  await keeper.check(Date.now())
  assert.deepEqual(renewed, [])
  await assert.rejects(ask({ caPem, host: '10.9.8.7' }))

  names = ['localhost', '10.9.8.7']
  await Promise.all([keeper.check(Date.now()), keeper.check(Date.now())])
  assert.equal(renewed.length, 1)
  assert.notEqual(keeper.certificate.cert, first.cert)
  for (const host of ['10.9.8.7', 'localhost', 'receiver.example']) {
    assert.equal(await ask({ caPem, host }), 'hello', host)
  }

  const fourYearsMs = 4 * 365 * 24 * 3600 * 1000
  await keeper.check(Date.now() + fourYearsMs)
  assert.equal(renewed.length, 2)
  assert.equal(await ask({ caPem, host: '10.9.8.7' }), 'hello')
})

test('A certificate that could not be put into the server is offered again.', async (t) => {
  const tlsFolder = await temporaryFolder(t)
  const ca = await ensureCa(tlsFolder)
  let names = ['localhost']
  let failures = 1
  const offered: string[] = []
  const keeper = await CertificateKeeper.open(
    {
      tlsFolder,
      ca,
      extraNames: [],
      localNames: () => names,
      onRenewed: ({ cert }) => {
        if (failures-- > 0) throw new Error('not now')
        offered.push(cert)
      },
    },
    Date.now(),
  )
  const first = keeper.certificate.cert
  names = ['localhost', 'pi.local']
  await assert.rejects(keeper.check(Date.now()), /not now/)
  assert.equal(keeper.certificate.cert, first)
  await keeper.check(Date.now())
  assert.deepEqual(offered, [keeper.certificate.cert])
  assert.notEqual(offered[0], first)
})
