import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { boundaryFrom, parseFormPartHeader, parsePartHeader } from '../../src/wire/part-header.ts'

function parse(...lines: string[]): ReturnType<typeof parsePartHeader> {
  return parsePartHeader(lines.join('\r\n'))
}

const badContentType = { name: 'WireError', code: 'bad_content_type', httpStatus: 415 }
const badMultipart = { name: 'WireError', code: 'bad_multipart', httpStatus: 400 }

describe('the header of a part', () => {
  test('says a name and a type', () => {
    const disposition = 'Content-Disposition: form-data; name="manifest"; filename="manifest"'
    assert.deepEqual(parse(disposition, 'Content-Type: Application/JSON; charset=utf-8'), {
      name: 'manifest',
      contentType: 'application/json',
    })
    assert.deepEqual(parse(disposition), { name: 'manifest', contentType: '' })
  })

  test('names a file as browsers and curl do', () => {
    const fileName = (value: string) =>
      parseFormPartHeader(`Content-Disposition: form-data; name="file"; ${value}`).fileName
    assert.equal(fileName('filename=a.jpg'), 'a.jpg')
    assert.equal(fileName('filename=""'), '')
    assert.equal(fileName('filename="%22%0D%0A%2F%25%.jpg"'), '"\r\n%2F%25%.jpg')
    assert.equal(fileName('filename="\\"so\\".jpg"'), '"so".jpg')
    assert.equal(fileName('filename="C:\\dir\\a.jpg"'), 'C:\\dir\\a.jpg')
    assert.equal(fileName('filename="gr\xc3\xbc\xff"'), 'gr\xc3\xbc\xff')
    assert.equal(fileName('size=3'), undefined)
  })

  test('may give a name in the extended form, which counts before the plain one', () => {
    const fileName = (value: string) =>
      parseFormPartHeader(`Content-Disposition: form-data; name="file"; ${value}`).fileName
    assert.equal(fileName("filename*=UTF-8''gr%C3%BC%20%22%0d.jpg"), 'gr\xc3\xbc "\r.jpg')
    assert.equal(fileName("filename*=utf-8'en'%2522; filename=x"), '%22')
    for (const unreadable of ["ISO-8859-1''%E9", "UTF-8''%E9", "UTF-8''%", "UTF-8''", 'a.jpg']) {
      assert.equal(fileName(`filename=x%22; filename*=${unreadable}`), 'x"', unreadable)
      assert.throws(() => fileName(`filename*=${unreadable}`), badMultipart, unreadable)
      // Where a manifest names the files, it is ignored.
      const line = `Content-Disposition: form-data; name="file"; filename*=${unreadable}`
      assert.equal(parse(line).name, 'file')
    }
  })

  test('may have any name, with escapes', () => {
    const name = (value: string) => parse(`Content-Disposition: form-data; name=${value}`).name
    assert.equal(name('""'), '')
    assert.equal(name('"a\\"b\\\\c;d=e"'), 'a"b\\c;d=e')
    assert.equal(name('plain'), 'plain')
    assert.equal(name('"__proto__"'), '__proto__')
  })

  test('is refused when it cannot be read', () => {
    const bad = [
      '',
      'x',
      ':',
      'name',
      'Content-Disposition',
      'Content-Disposition: form-data',
      'A: b',
    ]
    for (const text of bad) assert.throws(() => parse(text), badMultipart, text)
    const parameters = ['name', '=x', 'name="x', 'name="x\\"', 'name=x y', 'name="x"y', 'na"me=x']
    for (const text of parameters) {
      assert.throws(() => parse(`Content-Disposition: form-data; ${text}`), badMultipart, text)
    }
    assert.throws(() => parse('Content-Disposition: inline; name="file"'), badMultipart)
    assert.throws(() => parse('Content-Disposition: form-data; name="file"', ''), badMultipart)
  })

  test('invariant 9: is read in one go, whatever it holds', () => {
    for (const filler of [' ', ';', '\\', '"', '=', ' ;', '\\"', 'a=', ';a=b']) {
      const text = filler.repeat(Math.floor(1_000_000 / filler.length))
      for (const line of [`; name="x${text}`, `; name=x${text}`, `;${text}name=x`, text]) {
        try {
          parse(`Content-Disposition: form-data${line}`)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'bad_multipart', String(error))
        }
      }
    }
  })
})

describe('the boundary', () => {
  test('is a parameter of the content type, quoted or not', () => {
    assert.equal(boundaryFrom('multipart/form-data; boundary=x'), 'x')
    assert.equal(boundaryFrom('Multipart/Form-Data;BOUNDARY="a b"'), 'a b')
    assert.equal(boundaryFrom('multipart/form-data; charset=utf-8; boundary=x; a="b;c";'), 'x')
    assert.equal(boundaryFrom(`multipart/form-data; boundary=${'x'.repeat(70)}`), 'x'.repeat(70))
  })

  test('has 1 to 70 characters of RFC 2046 and does not end in a space', () => {
    for (const bad of [
      '""',
      '',
      '"a "',
      '" "',
      'x'.repeat(71),
      '"a\r\nb"',
      '"a\tb"',
      'ü',
      '"a*b"',
      '"a\\\\b"',
    ]) {
      assert.throws(() => boundaryFrom(`multipart/form-data; boundary=${bad}`), badContentType, bad)
    }
  })

  test('is wanted of a form only', () => {
    const others = [
      undefined,
      '',
      'multipart/mixed; boundary=x',
      'image/jpeg',
      'multipart/form-data',
    ]
    for (const bad of [...others, 'multipart/form-data; x=y', 'multipart/form-data; boundary']) {
      assert.throws(() => boundaryFrom(bad), badContentType, bad)
    }
  })
})
