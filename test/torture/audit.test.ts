import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { BytePath } from '../../src/base/byte-path.ts'
import { blake3 } from '../../src/base/hash.ts'
import { type AuditInput, audit } from './audit.ts'
import { OwnedFile, statsOf, type Version } from './owned-file.ts'
import type { StoredVersion } from './stored.ts'

function ownedFile(t: TestContext): OwnedFile {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-test-audit-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return new OwnedFile(join(folder, 'below', 'file'))
}

function onDevice(path: string): Version | undefined {
  const stats = statsOf(path)
  if (stats === undefined) return undefined
  const { mtimeNs, size } = stats
  return { mtimeNs, sizeBytes: Number(size), digest: blake3(readFileSync(path)) }
}

function stored(file: OwnedFile, version: Version): StoredVersion {
  return { ...version, path: file.path, digestOfBytes: version.digest }
}

function violations(
  files: readonly OwnedFile[],
  versions: readonly StoredVersion[],
  more: Partial<AuditInput> = {},
): string[] {
  const holdings = { versions, unfinished: [] }
  const report = audit({ files, holdings, onDevice, strangers: [], ...more })
  return report.violations.map((violation) => violation.split(':')[0]!)
}

const write = (text: string) => (writer: { append(bytes: Buffer): void }) =>
  writer.append(Buffer.from(text))

test('A file that went must be at the receiver, once, with its own bytes.', async (t) => {
  const file = ownedFile(t)
  await file.change(write('first'))
  const [first] = file.had
  unlinkSync(file.path)
  const good = stored(file, first!)
  assert.deepEqual(violations([file], [good]), [])
  assert.deepEqual(violations([file], []), ['lost'])
  assert.deepEqual(violations([file], [good, good]), ['doubled'])
  assert.deepEqual(violations([file], [{ ...good, digestOfBytes: '0' }]), ['damaged'])
  const mixed = { ...good, digest: '0', digestOfBytes: '0' }
  assert.deepEqual(violations([file], [good, mixed]), ['never was so'])
  const earlier = { ...good, mtimeNs: good.mtimeNs - 1n }
  assert.deepEqual(violations([file], [earlier]), ['never was so', 'lost'])
  assert.deepEqual(violations([], [good]), ['stored, but was never made'])
})

test('A file that is still there when all should be sent is a violation; an empty one is not.', async (t) => {
  const file = ownedFile(t)
  await file.change(write('stays'))
  assert.deepEqual(violations([file], []), ['left on the device'])
  await file.change((writer) => writer.truncate(0))
  assert.deepEqual(violations([file], []), [])
  unlinkSync(file.path)
  file.noticeRemoval()
  assert.deepEqual(violations([file], []), ['taken while it was empty'])
})

test('A version that its owner replaced, rewrote or deleted may have arrived, and need not.', async (t) => {
  const file = ownedFile(t)
  await file.change(write('first'))
  file.replace(Buffer.from('second'), `${file.path}.tmp`)
  await file.change((writer) => writer.overwrite(Buffer.from('X'), 2))
  file.delete()
  assert.equal(existsSync(file.path), false)
  assert.deepEqual(violations([file], []), [])
  assert.equal(file.had.length, 3)
  assert.deepEqual(
    violations(
      [file],
      file.had.map((had) => stored(file, had)),
    ),
    [],
  )
})

test('A version that was gone when its owner came back must have arrived.', async (t) => {
  const file = ownedFile(t)
  await file.change(write('first'))
  for (const comeBack of [
    () => file.change(write('second')),
    () => file.replace(Buffer.from('third'), `${file.path}.tmp`),
    () => file.delete(),
  ]) {
    unlinkSync(file.path)
    await comeBack()
  }
  const texts = ['first', 'second', 'third'].map((text) => blake3(Buffer.from(text)))
  assert.deepEqual(
    file.had.map(({ digest }) => digest),
    texts,
    'what is appended to a file that has gone begins a new one',
  )
  assert.deepEqual(violations([file], []), ['lost', 'lost', 'lost'])
  assert.deepEqual(
    violations(
      [file],
      file.had.map((had) => stored(file, had)),
    ),
    [],
  )
})

test('A file that was taken from under its writer: some state of it must have arrived.', async (t) => {
  const file = ownedFile(t)
  await file.change(write('first'))
  await file.change((writer) => {
    write('second')(writer)
    unlinkSync(file.path)
    write('third')(writer)
  })
  assert.deepEqual(violations([file], []), ['lost'])
  for (const had of file.had) assert.deepEqual(violations([file], [stored(file, had)]), [])
  const late = new OwnedFile(file.path)
  late.taken.push({ path: file.path, stillThereAfterMs: 2500 })
  assert.deepEqual(violations([late], []), [
    'taken while its owner wrote to it, later than 2500 ms after it was opened',
  ])
})

test('Files that nobody owns, and unfinished uploads of stored files, are violations.', async (t) => {
  const file = ownedFile(t)
  await file.change(write('first'))
  const version = stored(file, file.had[0]!)
  unlinkSync(file.path)
  assert.deepEqual(violations([file], [version], { strangers: ['/failed/x'] }), [
    'on the device, but nobody put it there',
  ])
  const unfinished = [{ ...version, path: version.path as BytePath }]
  assert.deepEqual(
    violations([file], [version], { holdings: { versions: [version], unfinished } }),
    ['left over at the receiver'],
  )
})
