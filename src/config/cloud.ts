import { X509Certificate } from 'node:crypto'
import { type BytePath, showPath } from '../base/byte-path.ts'
import { attributes } from './attributes.ts'
import type { CloudConfig } from './config.ts'
import type { ConfigContext } from './context.ts'
import { describeValue, type Findings, isJsonObject, type JsonObject, quote } from './findings.ts'
import { describeKind, readValue } from './kinds.ts'
import type { PathBase } from './paths.ts'
import { readBlock } from './read-block.ts'

const variables = {
  app_address: 'LONGSHORE_CLOUD_ADDRESS',
  id: 'LONGSHORE_CLOUD_ID',
  secret: 'LONGSHORE_CLOUD_SECRET',
} as const

/** The files that the block names. They must not be synced away. */
interface CloudFiles {
  readonly cloud: CloudConfig | undefined
  readonly files: readonly BytePath[]
}

/**
 * Reads the cloud block. The environment wins over the file, and may stand in for the whole block.
 * `cloud` is undefined after a problem.
 */
export function readCloud(
  json: unknown,
  context: ConfigContext,
  base: PathBase,
  findings: Findings,
): CloudFiles {
  if (json !== undefined && json !== null && !isJsonObject(json)) {
    const found = describeValue(json, true)
    findings.problems.push({ keyPath: 'cloud', expected: 'an object', found })
    return { cloud: undefined, files: [] }
  }
  const inFile = json ?? {}
  noteOpenSecret(inFile, context, findings)
  const { block, keyPaths } = withEnvironment(inFile, context.env)
  const options = { keyPath: 'cloud', strict: false, keyPaths, base }
  const { values, isSet } = readBlock(attributes.cloud, block, options, findings)
  const problem = (key: string, expected: string, found: string, hint?: string) => {
    const keyPath = keyPaths[key] ?? `cloud.${key}`
    findings.problems.push({ keyPath, expected, found, ...(hint !== undefined && { hint }) })
    return undefined
  }
  for (const key of ['app_address', 'id', 'secret'] as const) {
    if (isSet(key) || (key === 'secret' && isSet('secret_file'))) continue
    problem(key, attributes.cloud[key].meaning, 'nothing', `or set ${variables[key]}`)
  }
  for (const [key, other] of [
    ['secret', 'secret_file'],
    ['ca_pem', 'ca_file'],
  ] as const) {
    if (isSet(key) && isSet(other)) problem(other, `either ${key} or ${other}`, 'both')
  }

  const address = readAddress(values.app_address, values.allow_cleartext, problem)
  if (address?.protocol === 'http:' && !isLoopback(address.hostname)) {
    const message = 'unencrypted: the secret and all files can be read on the way'
    findings.notes.push({ keyPath: keyPaths.app_address ?? 'cloud.app_address', message })
  }
  const id = readId(values.id, problem)
  const secret = values.secret ?? readSecretFile(values.secret_file, context, base, findings)
  let caPem = values.ca_pem
  let caKey = 'ca_pem'
  if (values.ca_file !== undefined) {
    const file = context.readFile(values.ca_file)
    caKey = 'ca_file'
    if ('text' in file) caPem = file.text
    else problem(caKey, 'a file that can be read', `${showPath(values.ca_file)}, ${file.failure}`)
  }
  if (caPem !== undefined) checkCertificates(caPem, (found) => problem(caKey, pemExpected, found))

  const files = [values.secret_file, values.ca_file].filter((file) => file !== undefined)
  if (address === undefined || id === undefined || secret === undefined) {
    return { cloud: undefined, files }
  }
  const cloud = { address, id, secret, caPem, allowCleartext: values.allow_cleartext }
  return { cloud, files }
}

type Problem = (key: string, expected: string, found: string, hint?: string) => undefined

function noteOpenSecret(inFile: JsonObject, context: ConfigContext, findings: Findings): void {
  if (typeof inFile.secret !== 'string' || !context.configReadableByOthers) return
  const path = showPath(context.configPath)
  const message = `other accounts can read the secret in this file: chmod 600 ${path}`
  findings.notes.push({ keyPath: 'cloud.secret', message })
}

function withEnvironment(inFile: JsonObject, env: ConfigContext['env']) {
  const block: Record<string, unknown> = { ...inFile }
  const keyPaths: Record<string, string> = {}
  for (const [key, variable] of Object.entries(variables)) {
    const value = env[variable]
    if (value === undefined || value === '') continue
    block[key] = value
    keyPaths[key] = variable
    if (key === 'secret') delete block.secret_file
  }
  return { block, keyPaths }
}

const addressExpected = 'https://HOST or https://HOST:PORT'

/** Its messages never quote an address with `@` in it: what stands before may be a password. */
function readAddress(text: string | undefined, allowCleartext: boolean, problem: Problem) {
  if (text === undefined) return undefined
  const key = 'app_address'
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
  const url = URL.parse(hasScheme ? text : `https://${text}`)
  const found = text.includes('@') ? 'an address with an @ in it' : quote(text)
  if (url === null) return problem(key, addressExpected, found)
  if (/(^|\.)viam\.com\.?$/i.test(url.hostname)) {
    const hint = 'Longshore does not upload to Viam; name a receiver of your own'
    return problem(key, "the address of a Longshore receiver, not of Viam's cloud", found, hint)
  }
  if (!hasScheme) return problem(key, addressExpected, found, 'https:// is missing')
  if (url.username !== '' || url.password !== '') {
    const hint = 'the machine signs in with cloud.id and cloud.secret'
    return problem(key, addressExpected, 'a user name or password in it', hint)
  }
  if (url.pathname !== '/' || /[?#]/.test(text)) {
    return problem(key, addressExpected, `${found}, with a path or a query`)
  }
  if (url.protocol === 'https:') return url
  if (url.protocol !== 'http:') return problem(key, addressExpected, found)
  if (allowCleartext || isLoopback(url.hostname)) return url
  const hint = 'set cloud.allow_cleartext to true to send secret and files unencrypted'
  return problem(key, addressExpected, found, hint)
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname)
}

function readId(id: string | undefined, problem: Problem): string | undefined {
  if (id === undefined || /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(id)) return id
  const odd = id.startsWith('.') ? '.' : (/[^A-Za-z0-9._-]/u.exec(id)?.[0] ?? '')
  const found = `${quote(odd)}${id.startsWith('.') ? ' at its start' : ' in it'}`
  return problem('id', '1 to 64 of A-Z a-z 0-9 . _ -, not starting with a dot', found)
}

/** Its messages do not name the file: people write the secret itself there. */
function readSecretFile(
  path: BytePath | undefined,
  context: ConfigContext,
  base: PathBase,
  findings: Findings,
): string | undefined {
  if (path === undefined) return undefined
  const keyPath = 'cloud.secret_file'
  const file = context.readFile(path)
  if ('failure' in file) {
    const expected = 'the path of a file that can be read'
    const hint = `relative paths start at ${showPath(base.configDir)}`
    findings.problems.push({ keyPath, expected, found: file.failure, hint })
    return undefined
  }
  if (file.readableByOthers) {
    const message = 'other accounts can read the secret in that file: run chmod 600 on it'
    findings.notes.push({ keyPath, message })
  }
  const secret = file.text.trim()
  const { kind } = attributes.cloud.secret
  const expected = `a file that holds ${describeKind(kind)}`
  readValue(kind, secret, keyPath, base, (problem) => {
    const found = secret === '' ? 'an empty file' : problem.found
    findings.problems.push({ ...problem, expected, found })
  })
  return secret
}

const pemExpected = 'one or more certificates in PEM format'

function checkCertificates(pem: string, problem: (found: string) => void): void {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) return problem('a private key among them')
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  const begun = pem.split('-----BEGIN CERTIFICATE-----').length - 1
  if (begun === 0) return problem('no certificate')
  if (blocks.length !== begun) return problem('a certificate that is cut off')
  for (const [i, block] of blocks.entries()) {
    try {
      new X509Certificate(block)
    } catch {
      return problem(`certificate ${i + 1} of ${begun}, which is damaged`)
    }
  }
}
