import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { defaultExclude, excludeMatcher, sqliteDatabaseOf } from '../../src/scan/exclude.ts'

describe('the default exclude patterns', () => {
  const isExcluded = excludeMatcher(defaultExclude)
  const excluded = [
    'a.tmp',
    '.tmp',
    'a.part',
    'a.b.partial',
    'rosbag.active',
    'x.lock',
    '.x.swp',
    '.nfs000000000000001',
    '.nfs',
    'db.sqlite-wal',
    'db-shm',
    'db.sqlite-journal',
    'two\nlines.tmp',
    'name-\xff.tmp',
    bytePath('Grüße 🚀.tmp'),
  ]
  for (const name of excluded) {
    test(`leave ${JSON.stringify(name)} alone`, () => assert.equal(isExcluded(name), true))
  }

  const included = [
    'a.tmp.gz',
    'tmp',
    'atmp',
    'a.tmp\n',
    'x.locked',
    'nfs0',
    'a.nfs1',
    'wal',
    'db-walrus',
    'a.TMP',
    '*.tmpx',
    'a.capture',
    '',
  ]
  for (const name of included) {
    test(`have no say about ${JSON.stringify(name)}`, () => assert.equal(isExcluded(name), false))
  }
})

describe('a pattern', () => {
  test('means its dots, brackets and plus signs as they are', () => {
    const isExcluded = excludeMatcher(['a+b(c)[d].{e}^$|x*'])
    assert.equal(isExcluded('a+b(c)[d].{e}^$|xyz'), true)
    assert.equal(isExcluded('aab(c)[d].{e}^$|xyz'), false)
  })

  test('without any nothing is excluded', () => {
    assert.equal(excludeMatcher([])('a.tmp'), false)
  })
})

test('a journal is told from its name, with the database it belongs to', () => {
  assert.equal(sqliteDatabaseOf('data.db-wal'), 'data.db')
  assert.equal(sqliteDatabaseOf('data.db-shm'), 'data.db')
  assert.equal(sqliteDatabaseOf('data.db-journal'), 'data.db')
  assert.equal(sqliteDatabaseOf('data.db'), undefined)
  assert.equal(sqliteDatabaseOf('data-wal.db'), undefined)
})
