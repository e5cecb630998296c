import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { whyNameNotAllowed } from '../../src/wire/file-name.ts'
import { labelsOfNamedFile, pathFromFileName } from '../../src/wire/named-file.ts'

describe('a file with a name alone', () => {
  test('stands below the root of the name space, or where its name says', () => {
    assert.equal(pathFromFileName('a.jpg'), '/a.jpg')
    assert.equal(pathFromFileName('run/7/a.jpg'), '/run/7/a.jpg')
    assert.equal(pathFromFileName('/home/pi/a.jpg'), '/home/pi/a.jpg')
    assert.equal(pathFromFileName('C:\\dir\\a.jpg'), '/C:\\dir\\a.jpg')
    assert.equal(pathFromFileName('~/.ssh'), '/~/.ssh')
  })

  test('invariant 9: has no path when its name climbs or is none', () => {
    const bad = ['', '.', '..', '../a', 'a/../b', 'a//b', '//a', 'a/', '/', './a', 'a\0', '/..']
    for (const name of [...bad, 'x'.repeat(256), 'x/'.repeat(2048)]) {
      assert.notEqual(whyNameNotAllowed(pathFromFileName(name)), undefined, JSON.stringify(name))
    }
  })

  test('has the type that the client gave, unless that says nothing', () => {
    const typeOf = (mediaType: string) => labelsOfNamedFile(mediaType).contentType
    assert.equal(typeOf('image/jpeg'), 'image/jpeg')
    assert.equal(typeOf('application/vnd.x+json'), 'application/vnd.x+json')
    const nothing = ['', 'application/x-www-form-urlencoded', 'image', 'a/b/c', 'a b/c', '\xe9/x']
    for (const type of nothing) assert.equal(typeOf(type), 'application/octet-stream', type)
  })
})
