import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BytePath, bytePath } from '../../../src/base/byte-path.ts'
import {
  folderOfOrigin,
  mayBeNamed,
  nameWithSuffix,
  quarantineFolder,
  sidecarOf,
  withoutSuffix,
} from '../../../src/sync/quarantine/place.ts'

const root = bytePath('/data/cap')

describe('the folder that files set aside have come from', () => {
  const table: readonly [folder: string, origin: string | undefined][] = [
    ['/data/cap/failed', '/data/cap'],
    ['/data/cap/failed/cam/M', '/data/cap/cam/M'],
    ['/data/cap/logs/failed', '/data/cap/logs'],
    ['/data/cap/logs', undefined],
    ['/data/cap', undefined],
    ['/data/capture/failed', undefined],
    ['/data/failed', undefined],
    ['/data/cap/failed/failed', undefined],
    ['/data/cap/failed/a/failed', undefined],
    ['/data/cap/datasetUpload/failed', undefined],
    ['/data/cap/failed/datasetUpload', undefined],
    ['/data/cap/failed2', undefined],
  ]
  for (const [folder, origin] of table) {
    test(`of ${folder} is ${origin ?? 'none'}`, () => {
      assert.equal(folderOfOrigin(bytePath(folder), root), origin)
    })
  }

  test('is found where the root is called failed, or is the whole file system', () => {
    assert.equal(folderOfOrigin(bytePath('/x/failed'), bytePath('/x/failed')), undefined)
    assert.equal(folderOfOrigin(bytePath('/x/failed/failed'), bytePath('/x/failed')), '/x/failed')
    assert.equal(folderOfOrigin(bytePath('/x/failed'), bytePath('/')), '/x')
  })

  test('leads back from wherever a file of a root can be set aside to', () => {
    const files = ['a.capture', 'x/a.capture', 'x/y/a.capture', 'a.log', 'x/a.log', 'x/a.prog']
    for (const file of files) {
      const path = bytePath(`/data/cap/${file}`)
      const origin = folderOfOrigin(quarantineFolder(path, root), root)
      assert.equal(`${origin}/${path.slice(path.lastIndexOf('/') + 1)}`, path)
    }
  })
})

describe('names of files that are set aside', () => {
  test('and of their sidecars are never longer than a name may be', () => {
    for (const length of [1, 246, 247, 255]) {
      const name = 'n'.repeat(length)
      for (const suffix of [0, 1, 999]) {
        const aside = nameWithSuffix(name, suffix)
        assert.ok(aside.length <= 255)
        assert.ok(sidecarOf(`/f/${aside}` as BytePath).length <= '/f/'.length + 255)
        assert.equal(mayBeNamed(name, aside), true)
      }
    }
  })

  test('have sidecars of their own from the first suffix on, however long they are', () => {
    const sidecars = [0, 1, 2, 999].map((n) =>
      sidecarOf(`/f/${nameWithSuffix('n'.repeat(255), n)}` as BytePath),
    )
    assert.equal(new Set(sidecars).size, sidecars.length)
  })

  test('are not taken for those of another file', () => {
    assert.equal(mayBeNamed('a', 'b'), false)
    assert.equal(mayBeNamed('a', 'a~0'), false)
    assert.equal(mayBeNamed('a', 'a~01'), false)
    assert.equal(mayBeNamed('a', 'a~1~1'), false)
    assert.equal(mayBeNamed('a~1', 'a~1'), true)
    assert.equal(mayBeNamed('a~1', 'a~1~1'), true)
    assert.equal(mayBeNamed('', '~1'), false)
  })

  test('lose one suffix, and never become what is no name', () => {
    const table = { 'a~1': 'a', 'a~1~2': 'a~1', 'a~0': 'a~0', 'a~1000': 'a~1000', '~1': '~1' }
    for (const [aside, name] of Object.entries(table)) assert.equal(withoutSuffix(aside), name)
    assert.equal(withoutSuffix('..~1'), '..~1')
    assert.equal(withoutSuffix('.~1'), '.~1')
    assert.equal(withoutSuffix('a\n~1'), 'a\n')
  })
})
