import 'reflect-metadata'
import { randomBytes } from 'node:crypto'
import * as x509 from '@peculiar/x509'

export interface TestCertificateOptions {
  readonly names: readonly string[]
  readonly notBefore?: Date
  readonly notAfter?: Date
}

export interface TestCertificate {
  readonly caPem: string
  readonly cert: string
  readonly key: string
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 86_400_000

/** A server's certificate under a CA of its own, with whatever dates a test needs. */
export async function makeTestCertificate(
  options: TestCertificateOptions,
): Promise<TestCertificate> {
  const caKeys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=Test CA ${randomBytes(4).toString('hex')}`,
    notBefore: new Date(Date.now() - 1000 * dayMs),
    notAfter: new Date(Date.now() + 1000 * dayMs),
    signingAlgorithm: algorithm,
    keys: caKeys,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  })
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=Test server',
    issuer: ca.subjectName,
    notBefore: options.notBefore ?? new Date(Date.now() - 100 * dayMs),
    notAfter: options.notAfter ?? new Date(Date.now() + 100 * dayMs),
    signingAlgorithm: algorithm,
    signingKey: caKeys.privateKey,
    publicKey: keys.publicKey,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        options.names.map((value) => ({ type: 'dns', value })),
      ),
    ],
  })
  const exported = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  const key = x509.PemConverter.encode(exported, 'PRIVATE KEY')
  return { caPem: ca.toString('pem'), cert: certificate.toString('pem'), key }
}
