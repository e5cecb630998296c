import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type CertificateAuthority, ensureCa } from '../../../src/receiver/identity/ca.ts'
import { hostIsCovered } from '../../../src/receiver/identity/certificates.ts'
import {
  certificateNeedsRenewal,
  ensureServerCertificate,
} from '../../../src/receiver/identity/server-certificate.ts'
import { coded, moduleUrl, outputOf, startProcess, temporaryFolder } from './support.ts'

const dayMs = 24 * 3600 * 1000
const nowMs = Date.parse('2026-05-01')
const names = ['localhost', '127.0.0.1', '::1']

/** The hex of an extension's DER: that the object identifier is followed by this value. */
function hasExtension(pem: string, derHex: string): boolean {
  return new X509Certificate(pem).raw.toString('hex').includes(derHex)
}

test('The CA is valid from 1970 to the end of 9999, and signs servers only.', async (t) => {
  const folder = await temporaryFolder(t)
  const { certPem } = await ensureCa(folder)
  const certificate = new X509Certificate(certPem)
  assert.equal(certificate.validFromDate.getTime(), 0)
  assert.equal(certificate.validToDate.toISOString(), '9999-12-31T23:59:59.000Z')
  assert.match(certificate.subject, /^CN=Longshore receiver CA [0-9a-f]{8}$/)
  assert.equal(certificate.issuer, certificate.subject)
  assert.ok(certificate.verify(certificate.publicKey))
  assert.ok(certificate.ca)
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  assert.equal(certificate.serialNumber.length, 32)
  // basicConstraints critical, CA true, pathlen 0; keyUsage critical, keyCertSign and cRLSign.
  assert.ok(hasExtension(certPem, '0603551d130101ff040830060101ff020100'))
  assert.ok(hasExtension(certPem, '0603551d0f0101ff040403020106'))
  // subjectKeyIdentifier: SHA-1 of the key's bits (RFC 5280 section 4.2.1.2, method 1).
  const bits = certificate.publicKey.export({ type: 'spki', format: 'der' }).subarray(-65)
  const keyId = createHash('sha1').update(bits).digest('hex')
  assert.ok(hasExtension(certPem, `0603551d0e04160414${keyId}`))
})

test("The CA's key is PKCS #8 for its owner only, and stays the same.", async (t) => {
  const folder = await temporaryFolder(t)
  const first = await ensureCa(folder)
  const keyFile = join(folder, 'ca-key.pem')
  assert.equal((await stat(keyFile)).mode & 0o777, 0o600)
  assert.match(await readFile(keyFile, 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/)
  const second = await ensureCa(folder)
  assert.equal(second.certPem, first.certPem)
  assert.ok(second.key.equals(first.key))
  assert.equal(await readFile(join(folder, 'ca.pem'), 'utf8'), first.certPem)
  assert.deepEqual((await readdir(folder)).sort(), ['ca-key.pem', 'ca.pem'])
})

test('Processes that make the CA at the same time get the same one.', async (t) => {
  const folder = await temporaryFolder(t)
  const code = `const { ensureCa } = await import('${moduleUrl('ca.ts')}')
    process.stdout.write((await ensureCa(${JSON.stringify(folder)})).certPem)`
  const [first, second, ...here] = await Promise.all([
    outputOf(startProcess(t, code)),
    outputOf(startProcess(t, code)),
    ...Array.from({ length: 8 }, async () => (await ensureCa(folder)).certPem),
  ])
  assert.match(first, /BEGIN CERTIFICATE/)
  for (const certPem of [second, ...here]) assert.equal(certPem, first)
  assert.deepEqual((await readdir(folder)).sort(), ['ca-key.pem', 'ca.pem'])
})

test('A CA that was broken off after its key gets a certificate for that key.', async (t) => {
  const folder = await temporaryFolder(t)
  const { key } = await ensureCa(folder)
  await rm(join(folder, 'ca.pem'))
  const again = await ensureCa(folder)
  assert.ok(again.key.equals(key))
  assert.ok(new X509Certificate(again.certPem).checkPrivateKey(key))
})

test('A CA that is damaged is never replaced in silence.', async (t) => {
  const parent = await temporaryFolder(t)
  const other = join(parent, 'other')
  await mkdir(other)
  await ensureCa(other)
  const rsaKey =
    '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n'
  const damages: [string, string | undefined][] = [
    ['ca-key.pem', undefined],
    ['ca-key.pem', ''],
    ['ca-key.pem', await readFile(join(other, 'ca-key.pem'), 'utf8')],
    ['ca-key.pem', rsaKey],
    ['ca.pem', ''],
    ['ca.pem', await readFile(join(other, 'ca.pem'), 'utf8')],
  ]
  for (const [i, [name, text]] of damages.entries()) {
    const folder = join(parent, String(i))
    await mkdir(folder)
    await ensureCa(folder)
    if (text === undefined) await rm(join(folder, name))
    else await writeFile(join(folder, name), text)
    const before = await readdir(folder)
    await assert.rejects(ensureCa(folder), coded('data_damaged', new RegExp(folder), /ca.*\.pem/))
    assert.deepEqual(await readdir(folder), before)
  }
})

test('A tls folder that is gone, and a file that cannot be read, are errors of the folder.', async (t) => {
  const folder = await temporaryFolder(t)
  await assert.rejects(ensureCa(join(folder, 'none')), coded('data_folder_unusable'))
  const ca = await ensureCa(folder)
  await mkdir(join(folder, 'server.pem'))
  await assert.rejects(
    ensureServerCertificate({ tlsFolder: folder, ca, names, nowMs }),
    coded('data_folder_unusable', /server\.pem/),
  )
})

async function withCa(t: Parameters<typeof temporaryFolder>[0]) {
  const tlsFolder = await temporaryFolder(t)
  const ca = await ensureCa(tlsFolder)
  const ensure = (wanted = names, atMs = nowMs, by: CertificateAuthority = ca) =>
    ensureServerCertificate({ tlsFolder, ca: by, names: wanted, nowMs: atMs })
  return { tlsFolder, ca, ensure }
}

test('The server certificate is for servers, under the CA, backdated, and lasts five years.', async (t) => {
  const { tlsFolder, ca, ensure } = await withCa(t)
  const { cert, key } = await ensure()
  const certificate = new X509Certificate(cert)
  const authority = new X509Certificate(ca.certPem)
  assert.ok(certificate.checkIssued(authority) && certificate.verify(authority.publicKey))
  assert.equal(certificate.ca, false)
  assert.equal(certificate.validFromDate.getTime(), 0)
  assert.equal(certificate.validToDate.getTime(), nowMs + 5 * 365 * dayMs)
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  assert.ok(hasExtension(cert, '0603551d0f0101ff040403020780'), 'keyUsage digitalSignature')
  const authorityKeyId = /0603551d0e04160414(.{40})/.exec(authority.raw.toString('hex'))?.[1]
  assert.ok(hasExtension(cert, `0603551d230418301680 14${authorityKeyId}`.replace(' ', '')))
  assert.equal(certificate.subjectAltName?.split(', ').length, 3)
  assert.match(key, /^-----BEGIN PRIVATE KEY-----\n/)
  assert.equal((await stat(join(tlsFolder, 'server.pem'))).mode & 0o777, 0o600)
})

test('All kinds of names can be in the certificate.', async (t) => {
  const { ensure } = await withCa(t)
  const wanted = [
    'my_pi.local',
    'xn--mnchen-3ya.example',
    '10.0.0.7',
    'fe80::2ff:fe00:1',
    '::ffff:1.2.3.4',
    '2001:db8:0:1::',
  ]
  const { cert } = await ensure(wanted)
  for (const name of wanted) assert.ok(hostIsCovered(name, cert), name)
  assert.ok(hostIsCovered('[fe80::2ff:fe00:1]', cert))
  for (const name of ['localhost', '10.0.0.8', '::1', 'x.my_pi.local', 'local']) {
    assert.ok(!hostIsCovered(name, cert), name)
  }
  assert.equal((await ensure(wanted)).cert, cert)
})

test('A certificate that covers the names and is young is kept, with its key.', async (t) => {
  const { ensure } = await withCa(t)
  const first = await ensure([...names, '10.0.0.1'])
  assert.deepEqual(await ensure([...names, '10.0.0.1']), first)
  assert.deepEqual(await ensure(names, nowMs + 3 * 365 * dayMs), first, 'fewer names, older')
  assert.deepEqual(await ensure(['LOCALHOST.', '0:0:0:0:0:0:0:1']), first, 'other spellings')
})

test('A new name, age, another CA and damage each give a new certificate.', async (t) => {
  const { tlsFolder, ensure } = await withCa(t)
  const first = await ensure()
  const second = await ensure([...names, '10.0.0.1'])
  assert.notEqual(second.cert, first.cert)
  assert.notEqual(second.key, first.key)
  const third = await ensure(names, nowMs + 4 * 365 * dayMs)
  assert.notEqual(third.cert, second.cert)

  const other = await ensureCa(await temporaryFolder(t))
  const fourth = await ensure(names, nowMs + 4 * 365 * dayMs, other)
  assert.ok(new X509Certificate(fourth.cert).verify(new X509Certificate(other.certPem).publicKey))

  const file = join(tlsFolder, 'server.pem')
  for (const text of ['', 'x', first.key + fourth.cert, fourth.key, fourth.cert]) {
    await writeFile(file, text)
    await chmod(file, 0o644)
    const mended = await ensure()
    assert.equal(await readFile(file, 'utf8'), mended.key + mended.cert)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
  }
  assert.deepEqual((await readdir(tlsFolder)).sort(), ['ca-key.pem', 'ca.pem', 'server.pem'])
})

test('A certificate is renewed when a third of its life is left, a name is missing or the CA is another.', () => {
  const lifeMs = 5 * 365 * dayMs
  const facts = { isOfThisCa: true, names: ['a', 'b'], notAfterMs: lifeMs }
  const thirdMs = Math.ceil((lifeMs * 2) / 3)
  assert.equal(certificateNeedsRenewal(facts, ['a'], 0), false)
  assert.equal(certificateNeedsRenewal(facts, [], thirdMs - 1), false)
  assert.equal(certificateNeedsRenewal(facts, [], thirdMs), true)
  assert.equal(certificateNeedsRenewal(facts, [], lifeMs + 1), true)
  assert.equal(certificateNeedsRenewal(facts, ['b', 'c'], 0), true)
  assert.equal(certificateNeedsRenewal({ ...facts, isOfThisCa: false }, ['a'], 0), true)
})
