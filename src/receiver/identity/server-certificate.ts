import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import type { CertificateAuthority } from './ca.ts'
import { makeServerCertificate } from './certificates.ts'
import { replaceFile } from './durable-file.ts'
import { onDataFolder } from './folder-errors.ts'
import { uniqueHosts } from './server-names.ts'

/** What `tls.createServer` and `setSecureContext` take. PEM. */
export interface ServerCertificate {
  readonly cert: string
  readonly key: string
}

/** What decides about keeping a certificate. */
export interface CertificateFacts {
  readonly isOfThisCa: boolean
  /** In normal spelling. */
  readonly names: readonly string[]
  readonly notAfterMs: number
}

export interface ServerCertificateOptions {
  readonly tlsFolder: string
  readonly ca: CertificateAuthority
  /** DNS names and IP addresses; see `localNames` and `parseExtraNames`. */
  readonly names: readonly string[]
  readonly nowMs: number
}

const lifeMs = 5 * 365 * 24 * 3600 * 1000

/**
 * Whether a certificate must be replaced: not while it is of this CA, covers all names wanted and has
 * more than a third of its life left. Names it covers beyond those do no harm: an address that comes
 * and goes must not cost a certificate each time.
 */
export function certificateNeedsRenewal(
  stored: CertificateFacts,
  wantedNames: readonly string[],
  nowMs: number,
): boolean {
  return (
    !stored.isOfThisCa ||
    !wantedNames.every((name) => stored.names.includes(name)) ||
    stored.notAfterMs - nowMs <= lifeMs / 3
  )
}

/**
 * The receiver's certificate for these names: the stored one (`server.pem`, key and certificate in
 * one file so that they change together) while it is good, else a new one under the same CA. One
 * caller at a time: the one that holds the data folder.
 *
 * @throws LongshoreError `data_folder_unusable`
 */
export function ensureServerCertificate(
  options: ServerCertificateOptions,
): Promise<ServerCertificate> {
  const file = join(options.tlsFolder, 'server.pem')
  const names = uniqueHosts(options.names)
  return onDataFolder(file, async () => {
    const stored = await readStored(file)
    const isGood =
      stored !== undefined &&
      !certificateNeedsRenewal(factsOf(stored, options.ca), names, options.nowMs)
    return isGood ? stored : makeAndStore(file, names, options)
  })
}

async function makeAndStore(
  file: string,
  names: readonly string[],
  { ca, nowMs }: ServerCertificateOptions,
): Promise<ServerCertificate> {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const cert = await makeServerCertificate({
    caCertPem: ca.certPem,
    caKey: ca.key,
    publicKey: keys.publicKey,
    names,
    notAfterMs: nowMs + lifeMs,
  })
  const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  await replaceFile(file, key + cert, 0o600)
  return { cert, key }
}

/** The stored pair; undefined where there is none or it is damaged, which a new one mends. */
async function readStored(file: string): Promise<ServerCertificate | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
  const startOfCert = text.indexOf('-----BEGIN CERTIFICATE-----')
  const key = text.slice(0, Math.max(startOfCert, 0))
  const cert = text.slice(startOfCert)
  try {
    const belong = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
    return belong ? { cert, key } : undefined
  } catch {
    return undefined
  }
}

function factsOf(stored: ServerCertificate, ca: CertificateAuthority): CertificateFacts {
  const certificate = new X509Certificate(stored.cert)
  const authority = new X509Certificate(ca.certPem)
  const names = (certificate.subjectAltName ?? '')
    .split(', ')
    .map((entry) => entry.replace(/^(DNS|IP Address):/, ''))
  return {
    isOfThisCa: certificate.checkIssued(authority) && certificate.verify(authority.publicKey),
    names: uniqueHosts(names),
    notAfterMs: certificate.validToDate.getTime(),
  }
}
