import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blake3 } from '../../../src/base/hash.ts'
import { MessageVerifier } from '../../../src/receiver/ingest/verify-message.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { type BuiltMessage, buildMessage } from '../../support/message.ts'
import { cutAt } from '../support/stores.ts'

function verify(message: BuiltMessage, pieces: readonly Buffer[] = [message.body]) {
  const verifier = new MessageVerifier(message.contentType, message.uploadId)
  for (const piece of pieces) verifier.push(piece)
  return verifier.finish()
}

function isWireError(code: string) {
  return (error: unknown) => error instanceof WireError && error.code === code
}

const message = buildMessage([
  { path: '/a', bytes: 'first' },
  { path: '/b', bytes: '' },
  { path: '/c', bytes: Buffer.alloc(3000, 'third') },
])

test('Each file is hashed, and found where its bytes stand in the message.', () => {
  const { files, outcomes, uploadId } = verify(message)
  assert.equal(uploadId, message.uploadId)
  assert.deepEqual(
    outcomes,
    message.manifest.files.map(({ sizeBytes }, index) => {
      return { status: 'stored', sizeBytes, digest: message.digests[index] }
    }),
  )
  for (const { file, offset, digest } of files) {
    const bytes = message.body.subarray(offset, offset + file.sizeBytes)
    assert.equal(blake3(bytes), digest, file.path)
  }
})

test('The verdict is the same however the message was cut on its way.', () => {
  const wanted = verify(message)
  for (let at = 1; at < message.body.length; at += 1) {
    assert.deepEqual(verify(message, cutAt(message.body, at)), wanted, `cut at ${at}`)
  }
  const bytes = [...message.body].map((byte) => Buffer.from([byte]))
  assert.deepEqual(verify(message, bytes), wanted)
})

test('invariant 4: a wrong digest and a bad name are rejected, and leave the others alone.', () => {
  const mixed = buildMessage([
    { path: '/good', bytes: 'good' },
    { path: '/wrong', bytes: 'wrong', declaredDigest: '00'.repeat(32) },
    { path: '/a/../../etc/passwd', bytes: 'climbs' },
    { path: '/also good', bytes: 'also' },
  ])
  const { files, outcomes } = verify(mixed)
  assert.deepEqual(
    outcomes.map(({ status, reason }) => reason ?? status),
    ['stored', 'digest_mismatch', 'name_not_allowed', 'stored'],
  )
  assert.deepEqual(
    outcomes.map(({ digest }) => digest),
    mixed.digests,
    'as computed, not declared',
  )
  assert.deepEqual(
    files.map(({ file }) => file.path),
    ['/good', '/also good'],
  )
})

test('A message that stops before its closing boundary is not one.', () => {
  for (const size of [0, 10, message.body.length - 4]) {
    const verifier = new MessageVerifier(message.contentType, undefined)
    verifier.push(message.body.subarray(0, size))
    assert.throws(() => verifier.finish(), isWireError('bad_multipart'), `${size} bytes`)
  }
})

test('The upload id that was announced must be the one of the manifest.', () => {
  const verifier = new MessageVerifier(message.contentType, 'ab'.repeat(32))
  assert.throws(() => verifier.push(message.body), isWireError('upload_id_mismatch'))
  const silent = new MessageVerifier(message.contentType, undefined)
  silent.push(message.body)
  assert.equal(silent.finish().uploadId, message.uploadId)
})

test('Without a boundary there is nothing to read.', () => {
  for (const contentType of [undefined, '', 'text/plain', 'multipart/form-data']) {
    assert.throws(
      () => new MessageVerifier(contentType, undefined),
      isWireError('bad_content_type'),
    )
  }
})
