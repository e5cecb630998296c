import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ensureCa } from '../../../src/receiver/identity/ca.ts'
import { ensureServerCertificate } from '../../../src/receiver/identity/server-certificate.ts'
import { loadTlsFiles } from '../../../src/receiver/identity/tls-files.ts'
import { coded, temporaryFolder } from './support.ts'

const nowMs = Date.parse('2026-05-01')

async function withFiles(t: TestContext) {
  const folder = await temporaryFolder(t)
  const ca = await ensureCa(folder)
  const pair = await ensureServerCertificate({ tlsFolder: folder, ca, names: ['a'], nowMs })
  const put = async (name: string, content: string | Buffer) => {
    await writeFile(join(folder, name), content)
    return join(folder, name)
  }
  return {
    folder,
    ca,
    ...pair,
    put,
    certFile: await put('server.crt', pair.cert),
    keyFile: await put('server.key', pair.key),
  }
}

test('A certificate and its key are read, with the chain that follows.', async (t) => {
  const { cert, key, ca, put, certFile, keyFile } = await withFiles(t)
  assert.deepEqual(await loadTlsFiles(certFile, keyFile, nowMs), { cert, key })
  const chained = await put('chain.crt', `Some comment\n${cert}${ca.certPem}`)
  assert.equal((await loadTlsFiles(chained, keyFile, nowMs)).cert.split('BEGIN CERT').length, 3)
})

test('Files that cannot serve are refused by name, with the reason.', async (t) => {
  const { folder, cert, key, ca, put, certFile, keyFile } = await withFiles(t)
  const caKey = ca.key.export({ type: 'pkcs8', format: 'pem' })
  const lock = { format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hunter2' } as const
  const locked = createPrivateKey(key).export({ ...lock, type: 'pkcs8' })
  const lockedOldKind = createPrivateKey(key).export({ ...lock, type: 'sec1' })
  await mkdir(join(folder, 'folder'))
  const der = new X509Certificate(cert).raw
  const cases: [string, string, RegExp][] = [
    [join(folder, 'none'), keyFile, /--tls-cert .*none cannot be read: there is no such file/],
    [certFile, join(folder, 'folder'), /--tls-key .*folder cannot be read/],
    [await put('cert.der', der), keyFile, /cert\.der is not a PEM file/],
    [certFile, await put('empty', ''), /empty is not a PEM file/],
    [keyFile, certFile, /server\.key holds no certificate/],
    [certFile, certFile, /server\.crt holds no private key/],
    [certFile, await put('cut.key', key.slice(0, 60)), /cut\.key holds no private key/],
    [
      certFile,
      await put('ca.key', caKey),
      /ca\.key does not belong to the certificate .*server\.crt/,
    ],
    [await put('chain.crt', ca.certPem + cert), keyFile, /does not belong/],
    [certFile, await put('locked.key', locked), /locked\.key is protected by a passphrase/],
    [certFile, await put('old.key', lockedOldKind), /old\.key is protected by a passphrase/],
  ]
  for (const [certPath, keyPath, text] of cases) {
    await assert.rejects(loadTlsFiles(certPath, keyPath, nowMs), coded('tls_files_invalid', text))
  }
})

test('An expired certificate is refused with the time it expired.', async (t) => {
  const { cert, certFile, keyFile } = await withFiles(t)
  const endMs = new X509Certificate(cert).validToDate.getTime()
  await loadTlsFiles(certFile, keyFile, endMs - 1)
  await assert.rejects(
    loadTlsFiles(certFile, keyFile, endMs),
    coded('tls_files_invalid', /expired at 2031-04-30T/),
  )
})
