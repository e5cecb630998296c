import assert from 'node:assert/strict'
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { BytePath } from '../../../src/base/byte-path.ts'
import { LongshoreError } from '../../../src/base/errors.ts'
import { type ExportReport, exportFiles } from '../../../src/receiver/export/export-files.ts'
import type { StoredFile } from '../../../src/receiver/store/catalog.ts'
import { buildMessage, type FileOfMessage, plainLabels } from '../../support/message.ts'
import { incoming, ingestInto, newStores, type Stores, temporaryFolder } from '../support/stores.ts'

interface Exporting {
  readonly out: string
  readonly folder: string
  readonly stores: Stores
  readonly renamed: string[]
  readonly damaged: string[]
  store(files: readonly FileOfMessage[], machine?: string): Promise<void>
  export(files?: () => Iterable<StoredFile>): Promise<ExportReport>
  /** Of the export: every path below it, as bytes, with its text. */
  tree(): Promise<Record<string, string>>
}

async function exporting(t: TestContext): Promise<Exporting> {
  const { folder, ...stores } = await newStores(t)
  const out = join(await temporaryFolder(t), 'out')
  const renamed: string[] = []
  const damaged: string[] = []
  const ingest = ingestInto(stores)
  return {
    out,
    folder,
    stores,
    renamed,
    damaged,
    store: async (files, machine = 'robot') => {
      const outcomes = await ingest.take(incoming(buildMessage(files), { machine }))
      assert.ok(outcomes?.every(({ status }) => status === 'stored'))
    },
    export: (files = () => stores.catalog.files()) =>
      exportFiles({
        files,
        segments: stores.segments,
        to: out,
        onRenamed: (from, to) => renamed.push(`${from} -> ${to}`),
        onDamaged: (what) => damaged.push(what),
      }),
    tree: async () => treeOf(Buffer.from(out)),
  }
}

async function treeOf(folder: Buffer, below = ''): Promise<Record<string, string>> {
  const tree: Record<string, string> = {}
  for (const name of await readdir(folder, { encoding: 'buffer' })) {
    const path = Buffer.concat([folder, Buffer.from('/'), name])
    const shown = `${below}/${name.toString('latin1')}`
    const stats = await lstat(path)
    if (stats.isDirectory()) Object.assign(tree, await treeOf(path, shown))
    else tree[shown] = stats.isFile() ? await readFile(path, 'latin1') : 'not a file'
  }
  return tree
}

const secondNs = 1_000_000_000n
/** 2023-11-14T22:13:20Z */
const timeNs = 1_700_000_000n * secondNs
const hashes = (message: ReturnType<typeof buildMessage>) =>
  message.digests.map((digest) => digest.slice(0, 8))

test('Files are written below their machine, with their bytes and the microsecond of their last change.', async (t) => {
  const e = await exporting(t)
  const times = [123_456n, 999_999n, 1n, 0n, 500_000n, 100_001n, 333_333n]
  await e.store([
    ...times.map((micros) => ({
      path: `/d/${micros}`,
      bytes: `at ${micros}`,
      mtimeNs: timeNs + micros * 1000n + 999n,
    })),
    { path: '/before 1970', bytes: 'old', mtimeNs: -1_500_001_000n },
    { path: '/empty', bytes: '' },
  ])
  await e.store([{ path: '/d/1', bytes: 'of another machine' }], 'other')
  const report = await e.export()
  assert.deepEqual(report, { written: 10, bytes: 74, alreadyThere: 0, damaged: 0 })
  for (const micros of times) {
    const file = join(e.out, 'robot/d', String(micros))
    assert.equal(await readFile(file, 'utf8'), `at ${micros}`)
    const { mtimeNs } = await stat(file, { bigint: true })
    assert.equal(mtimeNs / 1000n, timeNs / 1000n + micros, `${micros}`)
  }
  const old = await stat(join(e.out, 'robot/before 1970'), { bigint: true })
  assert.equal(old.mtimeNs / 1_000_000n, -1_500n)
  const tree = await e.tree()
  assert.equal(tree['/robot/empty'], '')
  assert.equal(tree['/other/d/1'], 'of another machine')
  assert.deepEqual(e.renamed, [])
})

test('The newest version has its own name, older ones are told apart by time and hash.', async (t) => {
  const e = await exporting(t)
  const versions = [2n, 3n, 1n].map((second) => ({
    path: '/log',
    bytes: `version ${second}`,
    mtimeNs: timeNs + second * secondNs,
  }))
  for (const version of versions) await e.store([version])
  await e.store([{ path: '/log', bytes: 'other 3', mtimeNs: timeNs + 1n * secondNs }])
  const [second, , first] = hashes(buildMessage(versions))
  const [other] = hashes(buildMessage([{ path: '/log', bytes: 'other 3' }]))
  await e.export()
  assert.deepEqual(await e.tree(), {
    '/robot/log': 'version 3',
    [`/robot/log~20231114T221322.000Z-${second}`]: 'version 2',
    [`/robot/log~20231114T221321.000Z-${first}`]: 'version 1',
    [`/robot/log~20231114T221321.000Z-${other}`]: 'other 3',
  })
  assert.deepEqual(e.renamed, [])
})

test('Repeated, an export leaves what is there, and overwrites nothing.', async (t) => {
  const e = await exporting(t)
  await e.store([
    { path: '/a', bytes: 'a', mtimeNs: timeNs },
    { path: '/d/b', bytes: 'b' },
  ])
  await e.export()
  const before = await stat(join(e.out, 'robot/a'), { bigint: true })
  assert.deepEqual(await e.export(), { written: 0, bytes: 0, alreadyThere: 2, damaged: 0 })
  const after = await stat(join(e.out, 'robot/a'), { bigint: true })
  assert.deepEqual([after.ino, after.ctimeNs], [before.ino, before.ctimeNs])

  await writeFile(join(e.out, 'robot/a'), 'X')
  await writeFile(join(e.out, 'robot/own file'), 'also mine')
  assert.deepEqual(await e.export(), { written: 1, bytes: 1, alreadyThere: 1, damaged: 0 })
  const [hash] = hashes(buildMessage([{ path: '/a', bytes: 'a' }]))
  const renamed = `/robot/a~20231114T221320.000Z-${hash}`
  assert.deepEqual(await e.tree(), {
    '/robot/a': 'X',
    '/robot/own file': 'also mine',
    [renamed]: 'a',
    '/robot/d/b': 'b',
  })
  assert.deepEqual(e.renamed, [`${e.out}/robot/a -> ${e.out}${renamed}`])
  assert.deepEqual(await e.export(), { written: 0, bytes: 0, alreadyThere: 2, damaged: 0 })
})

test('A path that was a file and a folder at different times is both, each time the same way.', async (t) => {
  const e = await exporting(t)
  await e.store([
    { path: '/a', bytes: 'file' },
    { path: '/a/b', bytes: 'below' },
    { path: '/a/b/c', bytes: 'deeper' },
    { path: '/a/d', bytes: 'beside' },
  ])
  const wanted = {
    '/robot/a': 'file',
    '/robot/a~folder/b': 'below',
    '/robot/a~folder/b~folder/c': 'deeper',
    '/robot/a~folder/d': 'beside',
  }
  assert.equal((await e.export()).written, 4)
  assert.deepEqual(await e.tree(), wanted)
  assert.equal(e.renamed.length, 3)
  assert.equal((await e.export()).alreadyThere, 4)
  assert.deepEqual(await e.tree(), wanted)
})

test('The folder of such a path may have come first, or be taken by yet another file.', async (t) => {
  const e = await exporting(t)
  await e.store([{ path: '/z/a/b', bytes: 'below' }])
  await e.export()
  await e.store([
    { path: '/z/a', bytes: 'file', mtimeNs: timeNs },
    { path: '/y', bytes: 'file' },
    { path: '/y~folder', bytes: 'in the way' },
    { path: '/y/b', bytes: 'below' },
  ])
  await e.export()
  const [hash] = hashes(buildMessage([{ path: '/z/a', bytes: 'file' }]))
  assert.deepEqual(await e.tree(), {
    '/robot/z/a/b': 'below',
    [`/robot/z/a~20231114T221320.000Z-${hash}`]: 'file',
    '/robot/y': 'file',
    '/robot/y~folder': 'in the way',
    '/robot/y~folder~2/b': 'below',
  })
})

test('invariant 9: a machine cannot stop an export by taking the names that versions get.', async (t) => {
  const e = await exporting(t)
  const [hash] = hashes(buildMessage([{ path: '/a', bytes: 'older' }]))
  const versionName = `/a~20231114T221320.000Z-${hash}`
  await e.store([
    { path: '/a', bytes: 'older', mtimeNs: timeNs },
    { path: '/a', bytes: 'newer', mtimeNs: timeNs + secondNs },
    { path: versionName, bytes: 'in the way' },
    { path: `${versionName}~2`, bytes: 'in the way, too' },
  ])
  for (const written of [4, 0]) assert.equal((await e.export()).written, written)
  const texts = Object.values(await e.tree()).sort()
  assert.deepEqual(texts, ['in the way', 'in the way, too', 'newer', 'older'])
})

test('Names keep their bytes: no UTF-8, newlines, quotes, emoji, 255 bytes.', async (t) => {
  const e = await exporting(t)
  const names = [
    '\xff\xfe',
    'a\nb',
    '"\'`$(x)',
    '\xf0\x9f\x93\xb7',
    'x'.repeat(255),
    '-rf',
    '~',
    ' ',
  ]
  await e.store(
    names.map((name, index) => ({
      path: { bytes: `/\xe9/${name}` as BytePath },
      bytes: String(index),
    })),
  )
  assert.equal((await e.export()).written, names.length)
  const wanted = names.map((name, index) => [`/robot/\xe9/${name}`, String(index)])
  assert.deepEqual(await e.tree(), Object.fromEntries(wanted))
  assert.deepEqual(e.renamed, [])
})

test('A path that is too long below the export gets a plain one, and is reported.', async (t) => {
  const e = await exporting(t)
  const long = `${`/${'x'.repeat(99)}`.repeat(40)}/${'x'.repeat(80)}`
  await e.store([
    { path: `${long}/1`, bytes: 'older', mtimeNs: timeNs },
    { path: `${long}/1`, bytes: 'newer', mtimeNs: timeNs + secondNs },
    { path: `${long}/2`, bytes: 'other' },
    { path: '/z', bytes: 'after them' },
  ])
  for (const [written, alreadyThere] of [
    [4, 0],
    [0, 4],
  ]) {
    const report = await e.export()
    assert.deepEqual([report.written, report.alreadyThere], [written, alreadyThere])
  }
  const tree = await e.tree()
  assert.deepEqual(Object.values(tree).sort(), ['after them', 'newer', 'older', 'other'])
  assert.equal(Object.keys(tree).filter((path) => path.startsWith('/robot/renamed~/')).length, 3)
  assert.equal(e.renamed.length, 6)
})

test('What is damaged is named, never written, and the rest goes on.', async (t) => {
  const e = await exporting(t)
  await e.store([
    { path: '/whole', bytes: 'whole' },
    { path: '/turned', bytes: 'turned over' },
  ])
  await e.store([{ path: '/cut', bytes: 'cut off' }])
  await e.store([{ path: '/gone\n', bytes: 'its segment is gone' }], 'other')
  const segment = join(e.folder, 'segments', '000000000001.seg')
  const bytes = await readFile(segment)
  bytes[bytes.indexOf('turned over')]! ^= 1
  await writeFile(segment, bytes)
  await truncate(segment, bytes.indexOf('cut off') + 3)
  const files = () =>
    [...e.stores.catalog.files()].map((file) =>
      file.machine === 'other' ? { ...file, segmentId: 77 } : file,
    )
  const report = await e.export(files)
  assert.deepEqual(report, { written: 1, bytes: 5, alreadyThere: 0, damaged: 3 })
  assert.deepEqual(e.damaged, ['other: /gone\\x0a', 'robot: /cut', 'robot: /turned'])
  assert.deepEqual(await e.tree(), { '/robot/whole': 'whole' })
})

test('invariant 9: no name leads out of the export, whatever a catalog says.', async (t) => {
  const e = await exporting(t)
  await e.store([{ path: '/a', bytes: 'a' }])
  const [file] = e.stores.catalog.files()
  const outside = join(e.out, '..')
  const before = await readdir(outside)
  const paths = ['/../x', '/a/../../x', 'x', '', '/', '/./x', '//x', '/a\0b', `/${'x'.repeat(256)}`]
  const machines = ['..', '.', '', 'a/b', '../x', 'x\n']
  const hostile = [
    ...paths.map((path) => ({ ...file!, path: path as BytePath })),
    ...machines.map((machine) => ({ ...file!, machine })),
  ]
  const report = await e.export(() => hostile)
  assert.equal(report.damaged, hostile.length)
  assert.equal(report.written, 0)
  assert.deepEqual(await e.tree(), {})
  assert.deepEqual(
    (await readdir(outside)).filter((name) => name !== 'out'),
    before,
  )
  assert.ok(
    e.damaged.every((line) => !line.includes('\n')),
    'a name cannot forge a line',
  )
})

test('invariant 9: a symbolic link in the place of a folder is not followed.', async (t) => {
  const e = await exporting(t)
  await e.store([{ path: '/d/e/f', bytes: 'f' }])
  const outside = await temporaryFolder(t)
  await mkdir(join(e.out, 'robot'), { recursive: true })
  await symlink(outside, join(e.out, 'robot/d'))
  await e.export()
  assert.deepEqual(await readdir(outside), [])
  assert.deepEqual(await e.tree(), { '/robot/d': 'not a file', '/robot/d~folder/e/f': 'f' })
})

test('A symbolic link in the place of a file is left alone, and not followed.', async (t) => {
  const e = await exporting(t)
  await e.store([{ path: '/a', bytes: 'a', mtimeNs: timeNs }])
  const outside = join(e.out, '..', 'outside')
  await mkdir(join(e.out, 'robot'), { recursive: true })
  await symlink(outside, join(e.out, 'robot/a'))
  await e.export()
  assert.deepEqual(Object.values(await e.tree()).sort(), ['a', 'not a file'])
  await assert.rejects(lstat(outside), { code: 'ENOENT' })
})

test('An export that is broken off leaves no half file under a name, and can go on.', async (t) => {
  const e = await exporting(t)
  const large = Buffer.alloc(2_500_000, 'large')
  await e.store([{ path: '/large', bytes: large }])
  const read = e.stores.segments.read.bind(e.stores.segments)
  let reads = 0
  e.stores.segments.read = async (...place) => {
    reads += 1
    if (reads === 2) throw new Error('somebody pulled the plug')
    return read(...place)
  }
  await assert.rejects(e.export(), /pulled the plug/)
  assert.deepEqual(await e.tree(), {})
  assert.equal((await e.export()).written, 1)
  assert.ok((await readFile(join(e.out, 'robot/large'))).equals(large))
})

test('A place that cannot be written to is told as such.', async (t) => {
  const e = await exporting(t)
  await e.store([{ path: '/a', bytes: 'a' }])
  const isCoded = (code: string) => (error: unknown) =>
    error instanceof LongshoreError && error.code === code && error.hint !== undefined
  await writeFile(e.out, 'a file')
  await assert.rejects(e.export(), isCoded('output_not_empty'))
  await rm(e.out)
  const exportTo = (to: string) =>
    exportFiles({
      files: () => e.stores.catalog.files(),
      segments: e.stores.segments,
      to,
      onRenamed: () => {},
      onDamaged: () => {},
    })
  await assert.rejects(exportTo('/proc/longshore-export'), isCoded('usage'))
  if (process.getuid?.() === 0) return
  await mkdir(e.out)
  await chmod(e.out, 0o500)
  await assert.rejects(e.export(), isCoded('usage'))
})

test('The files of many folders land where they belong.', async (t) => {
  const e = await exporting(t)
  const files = Array.from({ length: 300 }, (_, index) => ({
    path: `/${index % 7}/${index % 13}/${index}`,
    bytes: String(index),
    labels: plainLabels,
  }))
  await e.store(files)
  await e.export()
  const wanted = files.map(({ path, bytes }) => [`/robot${path}`, bytes])
  assert.deepEqual(await e.tree(), Object.fromEntries(wanted))
})
