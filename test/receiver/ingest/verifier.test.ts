import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blake3, type Digest } from '../../../src/base/hash.ts'
import type { Verdict } from '../../../src/receiver/ingest/verdict.ts'
import { verifierFor } from '../../../src/receiver/ingest/verifier.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import {
  curlEscaped,
  curlOneFile,
  curlRaw,
  curlThreeFiles,
  type RecordedRequest,
  threeFiles,
} from '../../support/curl-requests.ts'
import { buildMessage } from '../../support/message.ts'
import { mutated } from '../../wire/manifests.ts'
import {
  jsonManifest,
  multipart,
  type Part,
  part,
  contentType as partsType,
} from '../../wire/parts.ts'
import { Random } from '../../wire/random.ts'
import { cutAt } from '../support/stores.ts'

function verify(
  request: RecordedRequest,
  uploadId?: Digest,
  pieces: readonly Buffer[] = [request.body],
): Verdict {
  const verifier = verifierFor({ ...request, uploadId })
  for (const piece of pieces) verifier.push(piece)
  return verifier.finish()
}

function formOf(...parts: readonly Part[]): RecordedRequest {
  return { contentType: partsType, contentDisposition: '', body: multipart(parts) }
}

function file(fileName: string, body: string | Buffer): Part {
  const disposition = `Content-Disposition: form-data; name="file"; filename="${fileName}"`
  return { header: [disposition], body }
}

function raw(contentDisposition: string, contentType = ''): RecordedRequest {
  return { contentType, contentDisposition, body: Buffer.from('abc') }
}

function isWireError(code: string, httpStatus: number) {
  return { name: 'WireError', code, httpStatus }
}

test('Each file of a form from curl is hashed, named, and found where its bytes stand.', () => {
  const { files, outcomes } = verify(curlThreeFiles)
  assert.deepEqual(
    outcomes,
    threeFiles.map(([path, , text]) => {
      const digest = blake3(Buffer.from(text, 'latin1'))
      return { status: 'stored', sizeBytes: text.length, digest, path }
    }),
  )
  for (const [index, { file: found, digest, offset }] of files.entries()) {
    const [path, type] = threeFiles[index]!
    assert.equal(found.path, path)
    assert.equal(found.labels.contentType, type)
    assert.equal(found.mtimeNs, 0n)
    if (found.sizeBytes === 0) assert.equal(offset, 0)
    assert.equal(blake3(curlThreeFiles.body.subarray(offset, offset + found.sizeBytes)), digest)
  }
  assert.equal(verify(curlEscaped).files[0]!.file.path, threeFiles[1]![0])
})

test('A raw body is one file, named by its Content-Disposition.', () => {
  const { files, outcomes } = verify(curlRaw)
  const digest = blake3(curlRaw.body)
  assert.deepEqual(outcomes, [{ status: 'stored', sizeBytes: 6, digest, path: '/raw.jpg' }])
  assert.equal(files[0]!.offset, 0)
  assert.equal(files[0]!.file.labels.contentType, 'application/octet-stream')
  const typed = verify(raw('inline; filename=run/a.jpg', 'image/jpeg; x=y')).files[0]!.file
  assert.deepEqual([typed.path, typed.labels.contentType], ['/run/a.jpg', 'image/jpeg'])
  const extended = verify(raw("attachment; filename=x; filename*=UTF-8''gr%C3%BC")).files[0]!
  assert.equal(extended.file.path, '/gr\xc3\xbc')
  // Escapes of forms mean nothing here.
  assert.equal(verify(raw('attachment; filename="%22"')).files[0]!.file.path, '/%22')
})

test('An empty raw body is an empty file.', () => {
  const { files } = verify({ ...curlRaw, body: Buffer.alloc(0) }, undefined, [])
  assert.deepEqual([files[0]!.file.sizeBytes, files[0]!.digest], [0, blake3(Buffer.alloc(0))])
})

test('The verdict is the same however a message was cut on its way.', () => {
  const manifest = buildMessage([{ path: '/a', bytes: 'with a manifest' }])
  for (const request of [curlThreeFiles, curlRaw, { ...manifest, contentDisposition: '' }]) {
    const wanted = verify(request)
    for (let at = 1; at < request.body.length; at += 1) {
      assert.deepEqual(verify(request, undefined, cutAt(request.body, at)), wanted, `cut at ${at}`)
    }
    const bytes = [...request.body].map((byte) => Buffer.from([byte]))
    assert.deepEqual(verify(request, undefined, bytes), wanted)
  }
})

test('invariant 3: the same form, with another boundary or at another time, is the same files.', () => {
  const text = curlOneFile.body.toString('latin1')
  const other = {
    ...curlOneFile,
    contentType: curlOneFile.contentType.replaceAll('aad22d43a1377aa1', 'x'),
    body: Buffer.from(text.replaceAll('aad22d43a1377aa1', 'x'), 'latin1'),
  }
  const wanted = verify(curlOneFile)
  const offset = other.body.indexOf('hello')
  const files = wanted.files.map((entry) => ({ ...entry, offset }))
  assert.deepEqual(verify(other), { ...wanted, files })
})

test('The id and the digest of a message without a manifest stand for its names, types and bytes.', () => {
  const messages = [
    formOf(file('a', 'x')),
    formOf(file('a', 'y')),
    formOf(file('b', 'x')),
    formOf(file('a', 'x'), file('b', 'x')),
    formOf({ header: [...file('a', 'x').header, 'Content-Type: image/jpeg'], body: 'x' }),
  ]
  const verdicts = messages.map((message) => verify(message))
  assert.equal(new Set(verdicts.map(({ uploadId }) => uploadId)).size, messages.length)
  assert.equal(new Set(verdicts.map(({ messageDigest }) => messageDigest)).size, messages.length)
})

test('Without a manifest the id that the request names counts, and changes nothing else.', () => {
  const uploadId = 'ab'.repeat(32)
  for (const request of [curlOneFile, curlRaw]) {
    assert.deepEqual(verify(request, uploadId), { ...verify(request), uploadId })
  }
})

test('invariant 4: a name that cannot be used leaves the other files of a form alone.', () => {
  const { files, outcomes } = verify(
    formOf(file('../../etc/passwd', 'climbs'), file('good', 'good'), file('', 'nameless')),
  )
  assert.deepEqual(
    outcomes.map(({ status, reason, path }) => [reason ?? status, path]),
    [
      ['name_not_allowed', '/../../etc/passwd'],
      ['stored', '/good'],
      ['name_not_allowed', ''],
    ],
  )
  assert.deepEqual(
    files.map(({ file: { path } }) => path),
    ['/good'],
  )
  assert.equal(verify(raw('attachment; filename="../x"')).outcomes[0]!.reason, 'name_not_allowed')
})

test('Fields of a form and empty choices are not files, but a form must hold one.', () => {
  const field = part('note', 'hi')
  const { outcomes } = verify(formOf(field, file('', ''), file('a', ''), field, file('b', 'b')))
  assert.deepEqual(
    outcomes.map(({ path, digest }) => [path, digest]),
    [
      ['/a', blake3(Buffer.alloc(0))],
      ['/b', blake3(Buffer.from('b'))],
    ],
  )
  assert.throws(() => verify(formOf(field, file('', ''))), isWireError('bad_multipart', 400))
})

test('A form that begins with a manifest is never taken for plain files.', () => {
  const { body } = jsonManifest([{ path: '/a', size: 1 }])
  const forgotten = formOf(part('manifest', body), file('a', 'x'))
  assert.throws(() => verify(forgotten), isWireError('bad_manifest', 422))
  const late = formOf(file('a', 'x'), part('manifest', body, 'Content-Type: application/json'))
  assert.throws(() => verify(late), isWireError('bad_multipart', 400))
})

test('A form that stops before its closing boundary is not one.', () => {
  const { body } = curlThreeFiles
  for (let size = 0; size < body.length - 2; size += 1) {
    const cut = { ...curlThreeFiles, body: body.subarray(0, size) }
    assert.throws(() => verify(cut), isWireError('bad_multipart', 400), `${size} bytes`)
  }
})

test('A request that names no file is refused before its body.', () => {
  const refused = (request: RecordedRequest, code: string, status: number) =>
    assert.throws(
      () => verifierFor({ ...request, uploadId: undefined }),
      isWireError(code, status),
      JSON.stringify(request),
    )
  for (const contentType of ['', 'text/plain', 'multipart/mixed; boundary=x']) {
    refused({ ...raw(''), contentType }, 'bad_content_type', 415)
  }
  refused(raw('', 'multipart/form-data'), 'bad_content_type', 415)
  refused(raw('attachment; filename=a', 'multipart/form-data'), 'bad_content_type', 415)
  const bad = ['attachment', 'attachment; filename=""', 'attachment; filename="a', '; =']
  for (const disposition of bad) refused(raw(disposition), 'bad_request', 400)
  refused(raw("attachment; filename*=UTF-8''%ff"), 'bad_request', 400)
})

test('invariant 9: a first part without an end is refused before it fills the memory.', () => {
  const verifier = verifierFor({ ...formOf(), uploadId: undefined })
  verifier.push(Buffer.from('--the-boundary\r\nX: '))
  let pushedBytes = 0
  assert.throws(
    () => {
      for (; pushedBytes < 1e6; pushedBytes += 64) verifier.push(Buffer.alloc(64, 'x'))
    },
    isWireError('bad_multipart', 400),
  )
  assert.ok(pushedBytes < 8192)
})

test('invariant 9: whatever arrives in the place of a form is read or refused, never a crash.', () => {
  const random = new Random(23)
  for (let round = 0; round < 3000; round += 1) {
    const request = { ...curlThreeFiles, body: mutated(random, curlThreeFiles.body) }
    const pieces = random.pieces(request.body, random.pick([1, 20, 500]))
    try {
      const { files, outcomes } = verify(request, undefined, pieces)
      assert.ok(outcomes.length > 0)
      for (const { file: found, offset, digest } of files) {
        const bytes = request.body.subarray(offset, offset + found.sizeBytes)
        assert.equal(blake3(bytes), digest)
      }
    } catch (error) {
      assert.ok(error instanceof WireError, String(error))
    }
  }
})
