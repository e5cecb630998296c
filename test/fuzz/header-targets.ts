import assert from 'node:assert/strict'
import { parseBasicCredentials } from '../../src/receiver/identity/basic-credentials.ts'
import { addressGroup } from '../../src/receiver/server/address-group.ts'
import { uploadIdOf } from '../../src/receiver/server/upload-fields.ts'
import { readAppendRequest, readUploadRequest } from '../../src/receiver/server/upload-request.ts'
import { maxFileSizeBytes } from '../../src/wire/limits.ts'
import { uploadFieldsOf } from '../../workers/upload-fields.ts'
import type { Random } from '../wire/random.ts'
import type { FuzzTarget } from './fuzz-target.ts'

const id = 'ab'.repeat(32)
const numbers = ['0', '1', '485', '-1', '1.5', '1e3', '0x10', ' 7 ', '1125899906842624']
const values: Readonly<Record<string, readonly string[]>> = {
  'content-length': [
    '485',
    '485',
    '2000000',
    '2000000',
    ...numbers,
    '1125899906842625',
    '9007199254740993',
    '9'.repeat(400),
    '',
  ],
  'upload-offset': [
    '0',
    '0',
    '485',
    ...numbers,
    '999999999999999',
    '1000000000000000',
    '5;a=1',
    '"5"',
    '(1 2)',
  ],
  'upload-length': [...numbers, '485;x', ':AAE=:', '?1'],
  'upload-complete': ['?1', '?0', '1', 'true', '?1;a', '?1, ?0', ' ?0 ', '?'],
  'content-type': [
    'application/partial-upload',
    'application/partial-upload',
    'multipart/form-data; boundary=b',
    'application/partial-upload',
    'Application/Partial-Upload ; x=y',
    'x'.repeat(1025),
  ],
  'content-disposition': ['attachment; filename="a"', 'x'.repeat(8193)],
  'idempotency-key': [`"${id}"`, id, `"${id.toUpperCase()}"`, '""', `"${id}`],
  accept: ['application/vnd.msgpack', '*/*'],
}

/** Something near one of the usual values; now and then two, as node:http2 gives a repeated field. */
function randomValue(random: Random, usual: readonly string[]): string {
  const value = random.pick(usual)
  if (random.chance(0.05)) return `${value}, ${random.pick(usual)}`
  if (random.chance(0.9)) return value
  const at = random.below(value.length + 1)
  return value.slice(0, at) + random.text(3) + value.slice(at + random.below(3))
}

function runFields(random: Random): string {
  const headers: Record<string, string> = {}
  for (const [name, usual] of Object.entries(values)) {
    if (random.chance(0.7)) headers[name] = randomValue(random, usual)
  }
  const { offset, complete } = uploadFieldsOf(headers)
  assert.ok(offset === undefined || (Number.isSafeInteger(offset) && offset >= 0))
  assert.ok(complete === undefined || typeof complete === 'boolean')
  const created = readUploadRequest(headers)
  const appended = readAppendRequest(headers)
  for (const request of [created, appended]) {
    if ('code' in request) {
      assert.ok(request.status >= 400 && request.status < 500 && request.detail !== '')
      continue
    }
    const { contentLength } = request
    assert.ok(Number.isSafeInteger(contentLength) && contentLength >= 0)
    const first = 'offset' in request ? request.offset : 0
    assert.ok(Number.isSafeInteger(first) && first >= 0)
    assert.ok(first + contentLength <= maxFileSizeBytes)
  }
  if (!('code' in created)) {
    const { messageBytes, contentLength, uploadId } = created
    assert.ok(messageBytes === undefined || messageBytes >= contentLength)
    assert.ok(uploadId === undefined || /^[0-9a-f]{64}$/.test(uploadId))
  }
  const ends = [created, appended].map((found) => ('code' in found ? found.code : 'taken'))
  return `POST ${ends[0]}, PATCH ${ends[1]}`
}

export const uploadFields: FuzzTarget = { name: 'upload-fields', run: runFields }

const paths = [
  '/v1/uploads/',
  '/v1/uploads',
  '/v1/',
  '..',
  '.',
  '/',
  '%2e%2e',
  '%2f',
  '\\',
  ';',
  '?',
  '#',
  '\0',
  '//',
  ' ',
]

/** Who asks, and for what: credentials, the path of an upload, an address. */
function runRequest(random: Random): string {
  const found = parseBasicCredentials(randomCredentials(random))
  if (found !== undefined) {
    assert.match(found.id, /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/)
    assert.equal(typeof found.secret, 'string')
  }
  const pieces = [...paths, id, id.toUpperCase(), id.slice(1), random.text(4)]
  const path = random.chance(0.2)
    ? `/v1/uploads/${id}`
    : Array.from({ length: 1 + random.below(5) }, () => random.pick(pieces)).join('')
  const uploadId = uploadIdOf(path)
  assert.equal(uploadId !== undefined, path.length === 76 && path === `/v1/uploads/${uploadId}`)
  const group = addressGroup(randomAddress(random))
  assert.ok(group.length <= 64)
  return `${found === undefined ? 'nobody' : 'somebody'} asks for ${uploadId === undefined ? 'nothing' : 'an upload'}`
}

function randomCredentials(random: Random): string {
  const text = random.pick([
    'robot:secret',
    'robot',
    ':',
    '../x:y',
    `${'r'.repeat(65)}:s`,
    `a:${random.text(400)}`,
    random.text(20),
  ])
  const encoded = Buffer.from(text).toString(random.pick(['base64', 'base64url', 'hex']))
  return `${random.pick(['Basic ', 'basic  ', 'Bearer ', '', 'Basic'])}${encoded}${random.chance(0.1) ? random.text(5) : ''}`
}

function randomAddress(random: Random): string {
  if (random.chance(0.3)) return Array.from({ length: 4 }, () => random.below(256)).join('.')
  const groups = random.list(8, () => random.pick(['', '0', 'ffff', 'fe80', '1234', '1.2.3.4']))
  return groups.join(':') + random.pick(['', '%eth0', '::'])
}

export const request: FuzzTarget = { name: 'request', run: runRequest }
