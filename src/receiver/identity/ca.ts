import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, LongshoreError } from '../../base/errors.ts'
import { makeCaCertificate } from './certificates.ts'
import { createFileOnce } from './durable-file.ts'
import { onDataFolder, shown } from './folder-errors.ts'

/** The receiver's own certificate authority, which devices trust by having its certificate. */
export interface CertificateAuthority {
  readonly certPem: string
  readonly key: KeyObject
}

/**
 * The CA in a data folder's `tls` folder (`ca-key.pem`, mode 0600, PKCS #8, and `ca.pem`), made at
 * first use. Processes that do so at the same time all get the same one.
 *
 * @throws LongshoreError `data_damaged` where one of the files is missing, damaged or of another
 *   CA: it is never replaced in silence, since every device would stop trusting the receiver;
 *   `data_folder_unusable` where the system does not let us read or write them
 */
export function ensureCa(tlsFolder: string): Promise<CertificateAuthority> {
  return onDataFolder(tlsFolder, () => readOrMakeCa(tlsFolder))
}

async function readOrMakeCa(tlsFolder: string): Promise<CertificateAuthority> {
  const keyFile = join(tlsFolder, 'ca-key.pem')
  const certFile = join(tlsFolder, 'ca.pem')

  // The key is made first, and the certificate looked for first: so a certificate without a key is
  // damage, never another process halfway.
  let certPem = await readIfThere(certFile)
  let keyPem = await readIfThere(keyFile)
  if (keyPem === undefined) {
    if (certPem !== undefined) throw damaged(tlsFolder, 'ca-key.pem is missing')
    await createFileOnce(keyFile, newKeyPem(), 0o600)
    keyPem = await readFile(keyFile, 'utf8')
  }
  const key = readKey(tlsFolder, keyPem)
  if (certPem === undefined) {
    await createFileOnce(certFile, await makeCaCertificate(key, createPublicKey(key)), 0o644)
    certPem = await readFile(certFile, 'utf8')
  }
  checkCertificate(tlsFolder, certPem, key)
  return { certPem, key }
}

function newKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function readKey(tlsFolder: string, pem: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    throw damaged(tlsFolder, 'ca-key.pem holds no private key')
  }
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  throw damaged(tlsFolder, 'ca-key.pem is not a key that Longshore made')
}

function checkCertificate(tlsFolder: string, pem: string, key: KeyObject): void {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch {
    throw damaged(tlsFolder, 'ca.pem holds no certificate')
  }
  if (!certificate.ca || !certificate.checkPrivateKey(key)) {
    throw damaged(tlsFolder, 'ca.pem and ca-key.pem do not belong together')
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function damaged(tlsFolder: string, what: string): LongshoreError {
  return new LongshoreError(
    'data_damaged',
    `The receiver's certificate authority in ${shown(tlsFolder)} is damaged: ${what}.`,
    {
      hint: 'Restore ca.pem and ca-key.pem from a backup. If there is none, remove both: the receiver makes a new CA, and every device needs its ca_pem.',
    },
  )
}
