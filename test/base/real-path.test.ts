import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type BytePath, bytePath, fsPath } from '../../src/base/byte-path.ts'
import { overlaps, readLink, realPath } from '../../src/base/real-path.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'longshore-path-')))
after(() => rmSync(folder, { recursive: true }))

describe('overlaps', () => {
  const overlap = (a: string, b: string) => overlaps(bytePath(a), bytePath(b))

  test('is true for the same root and for one below the other', () => {
    assert.equal(overlap('/a/b', '/a/b'), true)
    assert.equal(overlap('/a', '/a/b/c'), true)
    assert.equal(overlap('/a/b/c', '/a'), true)
    assert.equal(overlap('/', '/a'), true)
  })

  test('is false for neighbours, also where one name begins with the other', () => {
    assert.equal(overlap('/a/b', '/a/c'), false)
    assert.equal(overlap('/a/b', '/a/bc'), false)
  })
})

describe('realPath', () => {
  test('resolves links, keeps bytes that are not UTF-8, and goes as far as there is something', () => {
    const odd = `${folder}/odd\xff` as BytePath
    mkdirSync(fsPath(odd))
    symlinkSync(fsPath(odd), join(folder, 'link'))
    assert.equal(realPath(bytePath(`${folder}/link`)), odd)
    assert.equal(realPath(bytePath(`${folder}/link/not/there`)), `${odd}/not/there`)
    assert.equal(realPath(bytePath(`${folder}/link//not/`)), `${odd}/not`)
    assert.equal(realPath(bytePath('/')), '/')
    assert.equal(realPath(bytePath('/none/')), '/none')
    assert.equal(readLink(bytePath(`${folder}/link`)), odd)
  })

  test('a link that is none has no target', () => {
    assert.equal(readLink(bytePath(folder)), undefined)
    assert.equal(readLink(bytePath(`${folder}/none`)), undefined)
  })
})
