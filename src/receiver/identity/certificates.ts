import { type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { loadX509Library } from './x509-library.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/**
 * Devices often have no clock battery and start in 1970, or at the build date of their image, before
 * they find the time. A certificate that is "not yet valid" would stop them from sending, so ours
 * are valid from the first moment such a clock can show.
 */
const validFrom = new Date(0)

/** "No well-defined expiration date", RFC 5280 section 4.1.2.5: every device carries this CA. */
const noExpiry = new Date('9999-12-31T23:59:59Z')

/** A self-signed CA certificate for this P-256 key, that may sign servers but no further CA. PEM. */
export async function makeCaCertificate(key: KeyObject, publicKey: KeyObject): Promise<string> {
  const x509 = await loadX509Library()
  const keys = {
    privateKey: key.toCryptoKey(algorithm, false, ['sign']),
    publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']),
  }
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // A name of its own: two receivers' CAs in one trust store must not be taken for each other.
    name: `CN=Longshore receiver CA ${randomBytes(4).toString('hex')}`,
    serialNumber: randomSerial(),
    notBefore: validFrom,
    notAfter: noExpiry,
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return `${certificate.toString('pem')}\n`
}

export interface ServerCertificateRequest {
  readonly caCertPem: string
  readonly caKey: KeyObject
  readonly publicKey: KeyObject
  /** DNS names and IP addresses in normal spelling. */
  readonly names: readonly string[]
  readonly notAfterMs: number
}

/** A TLS server certificate under a CA of ours. PEM. */
export async function makeServerCertificate(request: ServerCertificateRequest): Promise<string> {
  const x509 = await loadX509Library()
  const ca = new x509.X509Certificate(request.caCertPem)
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=Longshore receiver',
    issuer: ca.subjectName,
    serialNumber: randomSerial(),
    notBefore: validFrom,
    notAfter: new Date(request.notAfterMs),
    signingAlgorithm: algorithm,
    signingKey: request.caKey.toCryptoKey(algorithm, false, ['sign']),
    publicKey: request.publicKey.toCryptoKey(algorithm, true, ['verify']),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        request.names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  })
  return `${certificate.toString('pem')}\n`
}

/**
 * Whether a client that asks for this host (a DNS name or an IP address, brackets allowed) accepts
 * the certificate as the host's. Says nothing about trust or time.
 */
export function hostIsCovered(host: string, certPem: string): boolean {
  const certificate = new X509Certificate(certPem)
  const name = host.replace(/^\[(.*)\]$/, '$1')
  return (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined
}

/** 126 random bits: positive, of fixed length, and never 0 (RFC 5280 section 4.1.2.2). */
function randomSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes.toString('hex')
}
