import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BytePath, bytePath } from '../../src/base/byte-path.ts'
import { whyNameNotAllowed } from '../../src/wire/file-name.ts'
import { Random } from './random.ts'

const long = 'x'.repeat(255)

describe('a name', () => {
  test('is not allowed only for these reasons', () => {
    const refused: [string, string][] = [
      ['', 'the path is empty'],
      ['a', 'the path is not absolute'],
      ['a/b', 'the path is not absolute'],
      ['./a', 'the path is not absolute'],
      ['../a', 'the path is not absolute'],
      ['\0', 'the path is not absolute'],
      ['/a\0b', 'the path holds a NUL byte'],
      ['/\0', 'the path holds a NUL byte'],
      ['/', 'the path has an empty segment'],
      ['//', 'the path has an empty segment'],
      ['//a', 'the path has an empty segment'],
      ['/a//b', 'the path has an empty segment'],
      ['/a/', 'the path has an empty segment'],
      ['/.', 'the path has a . or .. segment'],
      ['/..', 'the path has a . or .. segment'],
      ['/./a', 'the path has a . or .. segment'],
      ['/../a', 'the path has a . or .. segment'],
      ['/a/../b', 'the path has a . or .. segment'],
      ['/a/..', 'the path has a . or .. segment'],
      ['/a/.', 'the path has a . or .. segment'],
      [`/${long}x`, 'a segment has over 255 bytes'],
      [`/a/${long}x/b`, 'a segment has over 255 bytes'],
      [`/${'é'.repeat(128)}`, 'a segment has over 255 bytes'],
      [`${`/${long}`.repeat(16)}x`, 'the path has over 4096 bytes'],
    ]
    for (const [path, why] of refused) {
      assert.equal(whyNameNotAllowed(bytePath(path)), why, JSON.stringify(path.slice(0, 40)))
    }
  })

  test('is allowed otherwise, up to 4,096 bytes', () => {
    const allowed = [
      '/a',
      '/a/b',
      '/...',
      '/.a',
      '/a.',
      '/..a/a..',
      '/ ',
      '/a\nb',
      '/"a"\'\\',
      '/C:\\a',
      '/~',
      '/-rf',
      '/\x1b[2J',
      '/größe/😀',
      `/${long}/${long}`,
      `/${long}`.repeat(16),
    ]
    for (const path of allowed) assert.equal(whyNameNotAllowed(bytePath(path)), undefined, path)
    assert.equal(`/${long}`.repeat(16).length, 4096)
  })

  test('may have any bytes but NUL and slash in its segments', () => {
    for (let byte = 1; byte < 256; byte += 1) {
      const char = String.fromCharCode(byte)
      if (char === '/') continue
      assert.equal(whyNameNotAllowed(`/a${char}/${char}b` as BytePath), undefined)
    }
  })

  test('invariant 9: that is allowed stays below the folder that it is joined to', () => {
    const random = new Random(12)
    const bits = ['/', '.', '..', 'a', '\0', '/../', '//', '\\', '..\\']
    let allowed = 0
    for (let round = 0; round < 20_000; round += 1) {
      const path = `/${random.list(6, () => random.pick(bits)).join('')}`
      if (whyNameNotAllowed(bytePath(path)) !== undefined) continue
      allowed += 1
      assert.equal(
        new URL(`file:///below${path.replaceAll('\\', '%5c')}`).pathname.replaceAll('%5c', '\\'),
        `/below${path}`,
      )
    }
    assert.ok(allowed > 1000, `${allowed}`)
  })
})
