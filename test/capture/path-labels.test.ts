import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BytePath, bytePath } from '../../src/base/byte-path.ts'
import { folderLabels, mergeLabels } from '../../src/capture/path-labels.ts'

const labels = (root: string, folder: string) => folderLabels(bytePath(root), bytePath(folder))
const none = { tags: [], datasetIds: [] }

describe('folderLabels', () => {
  test('reads tags and datasets of all folders below the root', () => {
    assert.deepEqual(labels('/data', '/data/tag=night/x/dataset=d2/tag=arm/dataset=d1'), {
      tags: ['arm', 'night'],
      datasetIds: ['d1', 'd2'],
    })
  })

  test('reads none from the root itself or from above it', () => {
    assert.deepEqual(labels('/tag=a/tag=b', '/tag=a/tag=b'), none)
    assert.deepEqual(labels('/tag=a/tag=b', '/tag=a/tag=b/x'), none)
    assert.deepEqual(labels('/data', '/data2/tag=a'), none)
  })

  test('works below the root of the file system', () => {
    assert.deepEqual(labels('/', '/tag=a').tags, ['a'])
  })

  test('takes only whole prefixes, in lower case', () => {
    assert.deepEqual(labels('/d', '/d/Tag=a/xtag=b/tag/tags=c/datasets=e'), none)
  })

  test('keeps what follows the first equals sign, trimmed, and drops the empty', () => {
    assert.deepEqual(labels('/d', '/d/tag= a=b /tag=/tag=  /dataset=\t').tags, ['a=b'])
    assert.deepEqual(labels('/d', '/d/tag=/dataset=\t').datasetIds, [])
  })

  test('names each label once', () => {
    assert.deepEqual(labels('/d', '/d/tag=a/tag=a').tags, ['a'])
  })

  test('decodes UTF-8 and drops what is not', () => {
    assert.deepEqual(labels('/d', '/d/tag=größe').tags, ['größe'])
    assert.deepEqual(folderLabels(bytePath('/d'), '/d/tag=a\xff/tag=b' as BytePath).tags, ['b'])
  })
})

describe('mergeLabels', () => {
  test("adds the config's and the header's tags, sorted and once", () => {
    const folder = { tags: ['m'], datasetIds: ['d'] }
    assert.deepEqual(mergeLabels(folder, ['z', 'm'], ['a', 'z']), {
      tags: ['a', 'm', 'z'],
      datasetIds: ['d'],
    })
  })

  test('sorts config tags also where the folder has none', () => {
    assert.deepEqual(mergeLabels(none, ['b', 'a', 'b']).tags, ['a', 'b'])
  })
})
