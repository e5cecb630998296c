import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { boundaryFrom, parsePartHeader } from '../../src/wire/part-header.ts'

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
