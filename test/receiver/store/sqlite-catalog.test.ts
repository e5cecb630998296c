import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import type { BytePath } from '../../../src/base/byte-path.ts'
import { LongshoreError } from '../../../src/base/errors.ts'
import type { FileEntry, MessageEntry } from '../../../src/receiver/store/catalog.ts'
import { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
import { plainLabels } from '../../support/message.ts'
import { startProcess } from '../identity/support.ts'
import { temporaryFolder } from '../support/stores.ts'

const digest = (byte: string) => byte.repeat(32)

interface SomeFile {
  readonly path: string
  readonly mtimeNs?: bigint
  readonly sizeBytes?: number
  readonly digest?: string
  readonly labels?: typeof plainLabels
}

function entry({ path, mtimeNs = 1n, sizeBytes = 5, labels, ...more }: SomeFile): FileEntry {
  return {
    file: {
      path: path as BytePath,
      sizeBytes,
      mtimeNs,
      ctimeNs: 2n,
      labels: labels ?? plainLabels,
    },
    digest: more.digest ?? digest('aa'),
    offset: 100,
  }
}

function message(files: readonly SomeFile[], more: Partial<MessageEntry> = {}): MessageEntry {
  return {
    machine: 'robot',
    uploadId: digest('ee'),
    segmentId: 1,
    recordOffset: 8,
    recordEnd: 500,
    receivedAtMs: 1_700_000_000_000,
    files: files.map(entry),
    ...more,
  }
}

async function open(t: TestContext): Promise<{ catalog: SqliteCatalog; file: string }> {
  const file = join(await temporaryFolder(t), 'catalog.sqlite')
  const catalog = SqliteCatalog.open(file, { readOnly: false })
  t.after(() => catalog.close())
  return { catalog, file }
}

function paths(catalog: SqliteCatalog, machine?: string): string[] {
  return [...catalog.files(machine)].map(({ path }) => path)
}

test('What was entered is listed with all that is known of it.', async (t) => {
  const { catalog, file } = await open(t)
  const labels = { ...plainLabels, tags: ['a'], datasetIds: ['d'] }
  const big = { path: '/a/b', sizeBytes: 2 ** 50, mtimeNs: 2n ** 63n - 1n, labels }
  const odd = { path: '/a/c', sizeBytes: 0, mtimeNs: -(2n ** 63n) }
  await catalog.enter([message([big, odd], { segmentId: 7, receivedAtMs: 12 })])
  const readOnly = SqliteCatalog.open(file, { readOnly: true })
  t.after(() => readOnly.close())
  const common = { machine: 'robot', ctimeNs: 2n, digest: digest('aa'), receivedAtMs: 12 }
  const place = { segmentId: 7, offset: 100 }
  assert.deepEqual(
    [...readOnly.files()],
    [
      { ...common, ...big, labels, ...place },
      { ...common, ...odd, labels: plainLabels, ...place },
    ],
  )
})

test('invariant 3: a file is its machine, path, mtime, size and hash; all of them make another one.', async (t) => {
  const { catalog } = await open(t)
  const first = { path: '/d/f', mtimeNs: 1n, sizeBytes: 5, digest: digest('aa') }
  assert.deepEqual(await catalog.enter([message([first])]), [[true]])
  const others = [
    { ...first, path: '/d/g' },
    { ...first, path: '/e/f' },
    { ...first, mtimeNs: 2n },
    { ...first, sizeBytes: 6 },
    { ...first, digest: digest('ab') },
  ]
  assert.deepEqual(await catalog.enter([message(others)]), [[true, true, true, true, true]])
  assert.deepEqual(await catalog.enter([message([first], { machine: 'other' })]), [[true]])
  assert.deepEqual(await catalog.enter([message([first, ...others])]), [
    [false, false, false, false, false, false],
  ])
  assert.equal(paths(catalog).length, 7)
})

test('invariant 3: other labels and another ctime do not make another file.', async (t) => {
  const { catalog } = await open(t)
  await catalog.enter([message([{ path: '/f' }])])
  const again = message([{ path: '/f', labels: { ...plainLabels, tags: ['new'] } }])
  const later = { ...again.files[0]!, file: { ...again.files[0]!.file, ctimeNs: 99n } }
  assert.deepEqual(await catalog.enter([{ ...again, files: [later] }]), [[false]])
})

test('invariant 3: of the same file twice in one transaction, one is new.', async (t) => {
  const { catalog } = await open(t)
  const twice = message([{ path: '/f' }, { path: '/g' }, { path: '/f' }])
  assert.deepEqual(await catalog.enter([twice, message([{ path: '/g' }, { path: '/h' }])]), [
    [true, true, false],
    [false, true],
  ])
  assert.deepEqual(paths(catalog), ['/f', '/g', '/h'])
})

test('holdsAll is true only when every one of the files is there, for this machine.', async (t) => {
  const { catalog } = await open(t)
  const f = { path: '/d/f' }
  await catalog.enter([message([f, { path: '/d/g' }])])
  const holds = (machine: string, ...files: readonly SomeFile[]) =>
    catalog.holdsAll(machine, files.map(entry))
  assert.equal(await holds('robot', f, { path: '/d/g' }), true)
  assert.equal(await holds('robot', f, { path: '/d/h' }), false)
  assert.equal(await holds('robot', { ...f, mtimeNs: 2n }), false)
  assert.equal(await holds('robot', { ...f, sizeBytes: 6 }), false)
  assert.equal(await holds('robot', { ...f, digest: digest('bb') }), false)
  assert.equal(await holds('robot', { path: '/e/f' }), false)
  assert.equal(await holds('other', f), false)
  assert.deepEqual(paths(catalog), ['/d/f', '/d/g'], 'asking adds nothing')
})

test('Files are listed by machine, path in bytes and mtime, or of one machine only.', async (t) => {
  const { catalog } = await open(t)
  const files = [
    { path: '/b/z' },
    { path: '/b/a', mtimeNs: 9n },
    { path: '/b/a', mtimeNs: -3n },
    { path: '/a/\xff' },
    { path: '/a/\x7f' },
    { path: '/top' },
  ]
  await catalog.enter([message(files, { machine: 'z' }), message([{ path: '/1' }])])
  const inOrder = ['/top', '/a/\x7f', '/a/\xff', '/b/a', '/b/a', '/b/z']
  assert.deepEqual(paths(catalog), ['/1', ...inOrder])
  assert.deepEqual(paths(catalog, 'z'), inOrder)
  assert.deepEqual(paths(catalog, 'nobody'), [])
  assert.deepEqual([...catalog.files('z')].map(({ mtimeNs }) => mtimeNs).slice(3, 5), [-3n, 9n])
})

test('Paths and roots keep their bytes, UTF-8 or not, and never fall together.', async (t) => {
  const { catalog } = await open(t)
  const names = ['/\xff/\xfe', '/\xff/\xff', '/\xc3\xa4/\n"', '/a/\x01', '/e/\xf0\x9f\x93\xb7']
  const files = names.map((path, index) => ({
    path,
    labels: { ...plainLabels, root: `/${'\xfe'.repeat(index % 2)}\xff` as BytePath },
  }))
  assert.deepEqual(await catalog.enter([message(files)]), [[true, true, true, true, true]])
  const found = [...catalog.files()]
  assert.deepEqual(found.map(({ path }) => path).sort(), [...names].sort())
  for (const { path, labels } of found) {
    assert.equal(labels.root, files.find((file) => file.path === path)?.labels.root)
  }
})

test('A failed transaction enters nothing, and the ids it gave out are forgotten.', async (t) => {
  const { catalog } = await open(t)
  await catalog.enter([message([{ path: '/known/f' }])])
  const labels = { ...plainLabels, tags: ['only in the failed one'] }
  const good = message([{ path: '/new/f', labels }], { machine: 'new' })
  // More than 64 bits: SQLite refuses to bind it.
  const bad = message([{ path: '/new/g', mtimeNs: 2n ** 70n }])
  await assert.rejects(catalog.enter([good, bad]))
  assert.deepEqual(paths(catalog), ['/known/f'])
  // Takes the ids that the failed one had.
  const other = { ...plainLabels, tags: ['other'] }
  await catalog.enter([message([{ path: '/other/f', labels: other }], { machine: 'other' })])
  assert.equal(await catalog.holdsAll('new', good.files), false)
  assert.deepEqual(await catalog.enter([good]), [[true]])
  const [found] = catalog.files('new')
  assert.equal(found?.path, '/new/f')
  assert.deepEqual(found?.labels, labels)
})

test('A message with nothing new leaves neither a place nor an id behind.', async (t) => {
  const { catalog, file } = await open(t)
  await catalog.enter([message([{ path: '/f' }])])
  await catalog.enter([message([{ path: '/f' }], { segmentId: 9, recordEnd: 700 })])
  assert.deepEqual([...catalog.segmentEnds()], [[1, 500]])
  const db = new DatabaseSync(file, { readOnly: true })
  assert.equal(db.prepare('SELECT count(*) AS n FROM messages').get()?.n, 1)
  db.close()
})

test('How far a segment has been entered only ever grows.', async (t) => {
  const { catalog } = await open(t)
  await catalog.enter([message([{ path: '/f' }], { recordEnd: 900 })])
  await catalog.enter([message([{ path: '/g' }], { recordEnd: 600 })])
  await catalog.enter([message([], { segmentId: 2, recordEnd: 50 })])
  assert.deepEqual(
    [...catalog.segmentEnds()],
    [
      [1, 900],
      [2, 50],
    ],
  )
})

test('A new catalog is not complete until it is marked, also for those who open it later.', async (t) => {
  const { catalog, file } = await open(t)
  assert.equal(catalog.complete, false)
  await catalog.markComplete()
  assert.equal(catalog.complete, true)
  const later = SqliteCatalog.open(file, { readOnly: false })
  t.after(() => later.close())
  assert.equal(later.complete, true)
})

test('More folders than are remembered are all found again.', async (t) => {
  const { catalog } = await open(t)
  // In bytes: each folder is one of 64 KiB.
  const long = 'x'.repeat(65_536)
  const files = Array.from({ length: 300 }, (_, index) => ({ path: `/${long}${index}/f` }))
  await catalog.enter([message(files)])
  assert.equal(await catalog.holdsAll('robot', files.map(entry)), true)
  const again = await catalog.enter([message(files)])
  assert.equal(again[0]?.includes(true), false)
})

test('Readers do not wait for who writes.', async (t) => {
  const { file } = await open(t)
  const readOnly = SqliteCatalog.open(file, { readOnly: true })
  t.after(() => readOnly.close())
  const db = new DatabaseSync(file)
  t.after(() => db.close())
  assert.equal(db.prepare('PRAGMA journal_mode').get()?.journal_mode, 'wal')
  db.exec('BEGIN IMMEDIATE')
  assert.deepEqual([...readOnly.files()], [])
})

test('A catalog of a newer Longshore is refused and left as it is.', async (t) => {
  const { catalog, file } = await open(t)
  await catalog.close()
  const db = new DatabaseSync(file)
  db.exec('PRAGMA user_version = 99')
  db.close()
  for (const readOnly of [true, false]) {
    assert.throws(
      () => SqliteCatalog.open(file, { readOnly }),
      isLongshoreError('data_folder_newer', /99/),
    )
  }
  const after = new DatabaseSync(file, { readOnly: true })
  assert.equal(after.prepare('PRAGMA user_version').get()?.user_version, 99)
  after.close()
})

test('A damaged catalog is refused with the way to mend it, and left as it is.', async (t) => {
  const file = join(await temporaryFolder(t), 'catalog.sqlite')
  await writeFile(file, 'x'.repeat(10_000))
  for (const readOnly of [true, false]) {
    assert.throws(() => SqliteCatalog.open(file, { readOnly }), isLongshoreError('data_damaged'))
  }
  assert.equal(await readFile(file, 'utf8'), 'x'.repeat(10_000))
})

test('Damage further in is told as damage when it is met.', async (t) => {
  const { catalog, file } = await open(t)
  const files = Array.from({ length: 2000 }, (_, index) => ({ path: `/d/${index}` }))
  await catalog.enter([message(files)])
  await catalog.close()
  const bytes = await readFile(file)
  await writeFile(file, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length, 0xa5)]))
  assert.throws(() => {
    const damaged = SqliteCatalog.open(file, { readOnly: true })
    t.after(() => damaged.close())
    for (const _ of damaged.files());
  }, isLongshoreError('data_damaged'))
})

test('Where no receiver has run yet, that is what a reader is told.', async (t) => {
  const file = join(await temporaryFolder(t), 'catalog.sqlite')
  const wanted = isLongshoreError('data_folder_unusable', /no catalog yet/)
  assert.throws(() => SqliteCatalog.open(file, { readOnly: true }), wanted)
  new DatabaseSync(file).close()
  assert.throws(() => SqliteCatalog.open(file, { readOnly: true }), wanted)
  await writeFile(file, '')
  assert.throws(() => SqliteCatalog.open(file, { readOnly: true }), wanted)
})

test('Who reads only some of the files holds no lock afterwards.', async (t) => {
  const { catalog, file } = await open(t)
  await catalog.enter([message([{ path: '/a' }, { path: '/b' }])])
  for (const { path } of catalog.files()) {
    assert.equal(path, '/a')
    break
  }
  const db = new DatabaseSync(file)
  t.after(() => db.close())
  assert.deepEqual(db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy, 0)
})

test('What was entered before a kill -9 can be listed at once, without a receiver.', async (t) => {
  const file = join(await temporaryFolder(t), 'catalog.sqlite')
  const url = (name: string) => new URL(`../../../src/receiver/store/${name}`, import.meta.url).href
  const child = startProcess(
    t,
    `import { SqliteCatalog } from ${JSON.stringify(url('sqlite-catalog.ts'))}
    const catalog = SqliteCatalog.open(${JSON.stringify(file)}, { readOnly: false })
    const labels = ${JSON.stringify(plainLabels)}
    const file = { path: '/a', sizeBytes: 1, mtimeNs: 1n, ctimeNs: 1n, labels }
    const entry = { file, digest: 'aa'.repeat(32), offset: 8 }
    await catalog.enter([{ machine: 'm', uploadId: '', segmentId: 1, recordOffset: 8, recordEnd: 9,
      receivedAtMs: 0, files: [entry] }])
    process.kill(process.pid, 'SIGKILL')`,
  )
  const [, signal] = await once(child, 'close')
  assert.equal(signal, 'SIGKILL')
  const readOnly = SqliteCatalog.open(file, { readOnly: true })
  assert.deepEqual(paths(readOnly), ['/a'])
  await readOnly.close()
})

function isLongshoreError(code: string, text?: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof LongshoreError, `${error}`)
    assert.equal(error.code, code)
    assert.ok(error.hint)
    if (text !== undefined) assert.match(error.message, text)
    return true
  }
}
