import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { blake3 } from '../../src/base/hash.ts'
import { packDigests } from '../../src/wire/multipart-layout.ts'
import {
  boundary,
  contentType,
  digestsPart,
  jsonManifest,
  multipart,
  type Part,
  part,
} from './parts.ts'
import { byteByByte, readPieces } from './recorder.ts'

const manifest = jsonManifest([{ path: '/a', size: 3 }])
const disposition = 'Content-Disposition: form-data; name="file"'

function assertRead(parts: readonly Part[], type = contentType, body = multipart(parts)): void {
  const found = readPieces(type, byteByByte(body))
  assert.equal(found.complete, true)
  assert.deepEqual(found.contents, [Buffer.from('abc')])
  assert.equal(found.offsets[0], body.indexOf('\r\n\r\nabc\r\n') + 4)
  assert.deepEqual(found.digests, ['07'.repeat(32)])
}

function assertFileRead(...header: string[]): void {
  assertRead([manifest, { header, body: 'abc' }, digestsPart(1)])
}

describe('MessageReader takes from other clients', () => {
  test('header names in any case and order, and lines that it does not know', () => {
    assertFileRead('content-disposition: form-data; name="file"')
    assertFileRead('CONTENT-DISPOSITION: FORM-DATA; NAME="file"')
    assertFileRead('Content-Type: image/jpeg', disposition)
    assertFileRead(disposition, 'Content-Type: image/jpeg')
    assertFileRead('X-One: 1', disposition, 'Content-Transfer-Encoding: binary', 'X-Empty:')
    assertFileRead('Content-Length: 3', disposition)
  })

  test('parameters with and without quotes and spaces, and more of them', () => {
    assertFileRead('Content-Disposition: form-data; name=file')
    assertFileRead('Content-Disposition:form-data;name="file"')
    assertFileRead('Content-Disposition:   form-data ;  name = "file"  ')
    assertFileRead('Content-Disposition: form-data; filename="a.jpg"; name="file"')
    assertFileRead(`${disposition};`)
    assertFileRead(`${disposition}; filename=a.jpg; size=3;`)
  })

  test('file names with quotes, semicolons, and other letters', () => {
    const names = [
      '"a;b.jpg"',
      '"name=x; name=y"',
      '"a\\"b\\\\"',
      '"%22"',
      '"\xff\xe9"',
      "it's",
      '""',
    ]
    for (const name of names) assertFileRead(`${disposition}; filename=${name}`)
    assertFileRead(`${disposition}; filename*=UTF-8''gr%C3%B6%C3%9Fe.jpg`)
  })

  test('a manifest whose type has parameters and capitals', () => {
    for (const type of [
      'application/json; charset=utf-8',
      'Application/JSON',
      'application/json;',
    ]) {
      const typed = part('manifest', manifest.body, `Content-Type: ${type}`)
      assertRead([typed, part('file', 'abc'), digestsPart(1)])
    }
  })

  test('a request type with quotes, capitals and other parameters', () => {
    const parts = [manifest, part('file', 'abc'), digestsPart(1)]
    assertRead(parts, `Multipart/Form-Data; Boundary="${boundary}"`)
    assertRead(parts, `multipart/form-data; charset=utf-8; boundary=${boundary}`)
    assertRead(parts, `multipart/form-data;boundary=${boundary};`)
  })

  test('boundaries of one to seventy characters', () => {
    const parts = [manifest, part('file', 'abc'), digestsPart(1)]
    for (const other of ['X', 'x'.repeat(70), "a'()+_,-./:=? b"]) {
      const body = Buffer.from(
        multipart(parts).toString('latin1').replaceAll(boundary, other),
        'latin1',
      )
      assertRead(parts, `multipart/form-data; boundary="${other}"`, body)
    }
  })

  test('a message without the last line end', () => {
    assertRead(
      [],
      contentType,
      multipart([manifest, part('file', 'abc'), digestsPart(1)], `--${boundary}--`),
    )
  })

  test("what Node's own FormData sends", async () => {
    const bytes = Buffer.from('\r\n--\0\xff', 'latin1')
    const form = new FormData()
    form.append('manifest', new Blob([manifestOf(bytes)], { type: 'application/json' }), 'm.json')
    form.append('file', new Blob([bytes]), 'a;"b".jpg')
    form.append('digests', new Blob([packDigests([blake3(bytes)])]))
    const request = new Response(form)
    const body = Buffer.from(await request.arrayBuffer())
    const found = readPieces(request.headers.get('content-type')!, byteByByte(body))
    assert.deepEqual(found.contents, [bytes])
    assert.deepEqual(found.digests, [blake3(bytes)])
  })

  function manifestOf(bytes: Buffer): string {
    const files = [{ path: '/x', size: bytes.length, mtime_ns: '0' }]
    return JSON.stringify({ version: 1, files })
  }
})
