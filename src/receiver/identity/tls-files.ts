import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { errnoOf, LongshoreError, messageOf } from '../../base/errors.ts'
import { shown } from './folder-errors.ts'
import type { ServerCertificate } from './server-certificate.ts'

/**
 * Reads a person's own certificate and key (`--tls-cert`, `--tls-key`), both PEM. The certificate
 * file may go on with the chain; the server's own certificate comes first.
 *
 * @throws LongshoreError `tls_files_invalid` where they cannot serve: unreadable, not PEM, a key
 *   with a passphrase, a key of another certificate, expired at `nowMs`
 */
export async function loadTlsFiles(
  certFile: string,
  keyFile: string,
  nowMs: number,
): Promise<ServerCertificate> {
  const cert = await readPem('--tls-cert', certFile)
  const key = await readPem('--tls-key', keyFile)
  const certificate = parseCertificate(certFile, cert)
  if (!certificate.checkPrivateKey(parseKey(keyFile, key))) {
    throw invalid(
      `The key ${shown(keyFile)} does not belong to the certificate ${shown(certFile)}.`,
      "Give the key the certificate was made for. In a file with a chain, the server's own certificate must come first.",
    )
  }
  if (certificate.validToDate.getTime() <= nowMs) {
    throw invalid(
      `The certificate ${shown(certFile)} expired at ${certificate.validToDate.toISOString()}.`,
      'Renew it, or leave --tls-cert and --tls-key out to use a certificate that the receiver makes and renews itself.',
    )
  }
  return { cert, key }
}

async function readPem(option: string, file: string): Promise<string> {
  let text: string
  try {
    text = await readFile(file, 'latin1')
  } catch (error) {
    const why =
      errnoOf(error) === 'ENOENT'
        ? 'there is no such file'
        : errnoOf(error) === 'EACCES'
          ? 'this user may not read it'
          : messageOf(error)
    throw invalid(
      `${option} ${shown(file)} cannot be read: ${why}.`,
      'Check the path, and that the user who runs the receiver can read the file.',
    )
  }
  if (/^-----BEGIN [A-Z0-9 ]+-----/m.test(text)) return text
  throw invalid(
    `${option} ${shown(file)} is not a PEM file.`,
    'A PEM file starts with "-----BEGIN ". Convert others with "openssl x509 -inform der" (certificate) or "openssl pkey -inform der" (key).',
  )
}

function parseCertificate(file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw invalid(
      `--tls-cert ${shown(file)} holds no certificate that can be read.`,
      'Give the file with "-----BEGIN CERTIFICATE-----". Are --tls-cert and --tls-key swapped?',
    )
  }
}

function parseKey(file: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    // By its headers (PKCS #8, and the older kind): OpenSSL's error says "interrupted or cancelled".
    const needsPassphrase = /^(-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED)/m.test(pem)
    throw needsPassphrase
      ? invalid(
          `--tls-key ${shown(file)} is protected by a passphrase, which nobody can type when the receiver starts by itself.`,
          'Make a copy without one, readable by the receiver only: "openssl pkey -in KEY -out NEWKEY".',
        )
      : invalid(
          `--tls-key ${shown(file)} holds no private key that can be read.`,
          'Give the file with "-----BEGIN PRIVATE KEY-----". Are --tls-cert and --tls-key swapped?',
        )
  }
}

function invalid(message: string, hint: string): LongshoreError {
  return new LongshoreError('tls_files_invalid', message, { hint })
}
