import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BytePath } from '../../../src/base/byte-path.ts'
import {
  folderBesideFile,
  markNewest,
  namesFor,
  plainPath,
} from '../../../src/receiver/export/export-names.ts'
import type { StoredFile } from '../../../src/receiver/store/catalog.ts'
import { whyNameNotAllowed } from '../../../src/wire/file-name.ts'

const version = { mtimeNs: 1_769_860_800_123_456_789n, digest: '0123456789abcdef'.repeat(4) }

function firstNames(path: string, isNewest: boolean, count = 3): string[] {
  const names = namesFor(version, path as BytePath, isNewest)
  return Array.from({ length: count }, () => names.next().value)
}

test('The newest version has its own name, and others if that is taken.', () => {
  assert.deepEqual(firstNames('/a/b.jpg', true), [
    '/a/b.jpg',
    '/a/b.jpg~20260131T120000.123Z-01234567',
    '/a/b.jpg~20260131T120000.123Z-01234567~2',
  ])
  assert.deepEqual(firstNames('/top', false), [
    '/top~20260131T120000.123Z-01234567',
    '/top~20260131T120000.123Z-01234567~2',
    '/top~20260131T120000.123Z-01234567~3',
  ])
})

test('Every time that a file can have makes a name.', () => {
  for (const mtimeNs of [-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n]) {
    const name = namesFor({ ...version, mtimeNs }, '/a' as BytePath, false).next().value
    assert.match(name, /^\/a~\d{8}T\d{6}\.\d{3}Z-01234567$/)
  }
})

test('A name that would be too long is cut; names with the same start stay apart.', () => {
  const long = (end: string) => `/a/${'x'.repeat(255 - end.length)}${end}`
  const [one, other] = [firstNames(long('1'), true), firstNames(long('2'), true)]
  for (const name of [...one, ...other])
    assert.equal(whyNameNotAllowed(name as BytePath), undefined)
  assert.equal(new Set([...one, ...other]).size, 6)
  assert.equal(one[1]?.length, '/a/'.length + 255)
  assert.equal(whyNameNotAllowed(folderBesideFile(long('1') as BytePath, 12)), undefined)
})

test('A plain path holds nothing that a file system refuses, and differs where the path does.', () => {
  const paths = [`/${'y'.repeat(200)}`.repeat(20), '/a/\xff\xfe', '/b/\xff\xfe', '/a/c:?*|"<>\\\n']
  const plain = paths.map((path) => plainPath(path as BytePath))
  for (const path of plain) assert.match(path, /^\/renamed~\/[0-9a-f]{16}~[A-Za-z0-9._-]{1,64}$/)
  assert.equal(new Set(plain).size, paths.length)
})

test('Of the versions of a path the last is the newest, per machine.', () => {
  const file = (machine: string, path: string) => ({ machine, path }) as StoredFile
  const files = [file('m', '/a'), file('m', '/a'), file('m', '/b'), file('n', '/b')]
  const marked = [...markNewest(files)].map(({ isNewest }) => isNewest)
  assert.deepEqual(marked, [false, true, true, true])
  assert.deepEqual([...markNewest([])], [])
})
