import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { copyFile, cp, link, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import type { DataFolder } from '../../../src/receiver/identity/data-folder.ts'
import type { StoredFile } from '../../../src/receiver/store/catalog.ts'
import { type Damage, recover } from '../../../src/receiver/store/recovery.ts'
import { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
import { putCatalogInForce, takeCatalogAlone } from '../../../src/receiver/upkeep/catalog-files.ts'
import {
  type RebuildOptions,
  rebuildCatalog,
} from '../../../src/receiver/upkeep/rebuild-catalog.ts'
import { buildMessage, someTimeNs } from '../../support/message.ts'
import { incoming, ingestInto, openStores, temporaryFolder } from '../support/stores.ts'
import {
  contentsOf,
  copyOf,
  damage,
  flip,
  isIntact,
  listing,
  seededFolder,
  segmentFile,
} from './seeded-folder.ts'

async function rebuild(dataFolder: DataFolder, more: Partial<RebuildOptions> = {}) {
  const lost: StoredFile[] = []
  const report = await rebuildCatalog({
    dataFolder,
    signal: new AbortController().signal,
    onProgress: () => {},
    onLost: (file) => lost.push(file),
    ...more,
  })
  return { ...report, lostFiles: lost }
}

function catalogNames({ path }: DataFolder): string[] {
  return readdirSync(path)
    .filter((name) => name.startsWith('catalog'))
    .sort()
}

/** The listing after a start of the receiver, which must cut nothing. */
async function listingAfterStart({ path, catalogFile }: DataFolder) {
  const stores = await openStores(path)
  const { cutBytes } = await recover(stores.segments, stores.catalog)
  await stores.close()
  assert.equal(cutBytes, 0)
  return listing(catalogFile)
}

/** What makes each file itself, in order. Where it stands is not part of that: there may be two copies. */
function identities(files: readonly StoredFile[]): readonly string[] {
  return files
    .map(({ machine, path, mtimeNs, digest, sizeBytes, labels }) =>
      [machine, path, mtimeNs, sizeBytes, digest.slice(0, 8), labels.tags].join(' '),
    )
    .sort()
}

test('invariant 3: a rebuilt catalog lists exactly what the old one did, and no segment is touched.', async (t) => {
  const dataFolder = await seededFolder(t)
  const before = listing(dataFolder.catalogFile)
  const segments = await contentsOf(dataFolder.segmentsFolder)
  const progress: number[] = []
  const report = await rebuild(dataFolder, { onProgress: (read, of) => progress.push(read / of) })
  assert.deepEqual(listing(dataFolder.catalogFile), before)
  assert.deepEqual(await contentsOf(dataFolder.segmentsFolder), segments)
  assert.deepEqual(await listingAfterStart(dataFolder), before)
  const { segments: count, messages, files, damaged, comparedWithOld } = report
  assert.deepEqual({ count, messages, files }, { count: 5, messages: 9, files: before.length })
  assert.deepEqual({ damaged, lost: report.lostFiles }, { damaged: [], lost: [] })
  assert.equal(comparedWithOld, 'all')
  assert.equal(report.keptAs, `${dataFolder.catalogFile}.old-1`)
  assert.deepEqual(listing(report.keptAs), before)
  assert.equal(progress.at(-1), 1)
})

test('invariant 3: without an old catalog all of it is made anew too.', async (t) => {
  const dataFolder = await seededFolder(t)
  const before = listing(dataFolder.catalogFile)
  await unlink(dataFolder.catalogFile)
  const report = await rebuild(dataFolder)
  assert.deepEqual(listing(dataFolder.catalogFile), before)
  assert.equal(report.comparedWithOld, 'nothing')
  assert.equal(report.keptAs, undefined)
})

/** Segment 2 has this file of segment 1 once more: it came with another one that was new. */
function isCopiedIn2({ machine, path, mtimeNs, sizeBytes }: StoredFile): boolean {
  return machine === 'robot' && path === '/a/1' && sizeBytes === 3 && mtimeNs === someTimeNs
}

function wasDamaged(damaged: readonly Damage[], segmentId: number): boolean {
  return damaged.some((place) => place.segmentId === segmentId)
}

/** What becomes of a data folder after damage: exactly the files whose own bytes are gone are lost. */
async function checkAfterDamage(dataFolder: DataFolder, where: string): Promise<void> {
  const before = listing(dataFolder.catalogFile)
  const damagedSegments = await contentsOf(dataFolder.segmentsFolder)
  const report = await rebuild(dataFolder)
  const isKept = (file: StoredFile) =>
    isIntact(file, damagedSegments) || (isCopiedIn2(file) && !wasDamaged(report.damaged, 2))
  const intact = before.filter(isKept)
  const lost = before.filter((file) => !isKept(file))
  assert.ok(report.damaged.length > 0 || lost.length === 0, where)
  assert.deepEqual(identities(listing(dataFolder.catalogFile)), identities(intact), where)
  assert.deepEqual(identities(report.lostFiles), identities(lost), where)
  assert.deepEqual(await contentsOf(dataFolder.segmentsFolder), damagedSegments, where)
  assert.deepEqual(identities(await listingAfterStart(dataFolder)), identities(intact), where)
}

test('invariant 3: whichever byte of a segment is wrong, only the file it belongs to is lost.', async (t) => {
  const original = await seededFolder(t)
  const whole = (await contentsOf(original.segmentsFolder)).get('000000000001.seg')!
  for (let at = 3; at < whole.length; at += 251) {
    const dataFolder = await copyOf(t, original)
    await damage(dataFolder, 1, (bytes) => flip(bytes, at))
    await checkAfterDamage(dataFolder, `byte ${at}`)
    await rm(dataFolder.path, { recursive: true })
  }
})

test('invariant 3: segments that are cut, missing, or zeroed in part lose the files in there only.', async (t) => {
  const original = await seededFolder(t)
  const cases: readonly (readonly [string, (dataFolder: DataFolder) => Promise<void>])[] = [
    ['cut in a record', (d) => damage(d, 1, (bytes) => bytes.subarray(0, 2000))],
    ['cut to nothing', (d) => damage(d, 1, (bytes) => bytes.subarray(0, 0))],
    ['missing', (d) => unlink(segmentFile(d, 2))],
    ['a missing segment of its own', (d) => unlink(segmentFile(d, 4))],
    ['a zeroed block', (d) => damage(d, 4, (bytes) => bytes.fill(0, 4096, 8192))],
    ['a zeroed start', (d) => damage(d, 1, (bytes) => bytes.fill(0, 0, 1024))],
    ['all zeros', (d) => damage(d, 3, (bytes) => bytes.fill(0))],
  ]
  for (const [name, doDamage] of cases) {
    const dataFolder = await copyOf(t, original)
    await doDamage(dataFolder)
    await checkAfterDamage(dataFolder, name)
  }
})

test('invariant 3: a segment that lost whole records at its end is noticed by means of the old catalog.', async (t) => {
  const dataFolder = await seededFolder(t)
  const { catalogFile } = dataFolder
  const tagged = listing(catalogFile).find(({ path }) => path === '/a/tagged')!
  await damage(dataFolder, 1, (bytes) => {
    const heads = [...String(bytes.toString('latin1')).matchAll(/LSRH/g)].map(({ index }) => index)
    return bytes.subarray(0, heads.at(-1))
  })
  const report = await rebuild(dataFolder)
  assert.deepEqual(
    report.damaged.map(({ segmentId }) => segmentId),
    [1],
  )
  assert.ok(report.lostFiles.some(({ digest }) => digest === tagged.digest))
})

test('Without an old catalog a damaged file costs that file, not the others of its message.', async (t) => {
  const dataFolder = await seededFolder(t)
  const before = listing(dataFolder.catalogFile)
  const victim = before.find(({ path }) => path === '/many/7')!
  await damage(dataFolder, victim.segmentId, (bytes) => flip(bytes, victim.offset))
  await unlink(dataFolder.catalogFile)
  const report = await rebuild(dataFolder)
  assert.equal(report.damaged.length, 1)
  assert.deepEqual(
    identities(listing(dataFolder.catalogFile)),
    identities(before.filter((file) => file !== victim)),
  )
})

test('invariant 2: a message of which a file was lost is no longer known as an upload, only by its files.', async (t) => {
  const dataFolder = await seededFolder(t)
  const { catalogFile } = dataFolder
  const files = Array.from({ length: 20 }, (_, n) => ({ path: `/many/${n}`, bytes: `number ${n}` }))
  const { uploadId } = buildMessage(files)
  const findMessages = async () => {
    const catalog = SqliteCatalog.open(catalogFile, { readOnly: true })
    const found = await catalog.findMessages(uploadId)
    await catalog.close()
    return found.length
  }
  const victim = listing(catalogFile).find(({ path }) => path === '/many/7')!
  await damage(dataFolder, victim.segmentId, (bytes) => flip(bytes, victim.offset))
  assert.equal(await findMessages(), 1)
  await unlink(catalogFile)
  await rebuild(dataFolder)
  assert.equal(await findMessages(), 0)
  assert.ok(listing(catalogFile).some(({ path }) => path === '/many/8'))
})

test('Without an old catalog the damaged first bytes of a segment cost nothing.', async (t) => {
  const dataFolder = await seededFolder(t)
  const before = listing(dataFolder.catalogFile)
  await damage(dataFolder, 1, (bytes) => flip(bytes, 3))
  await unlink(dataFolder.catalogFile)
  const report = await rebuild(dataFolder)
  assert.deepEqual(report.damaged, [{ segmentId: 1, fromByte: 0 }])
  assert.deepEqual(await listingAfterStart(dataFolder), before)
})

test('invariant 9: without an old catalog nothing is listed that was not there, whichever byte of a manifest is wrong.', async (t) => {
  const dataFolder = await seededFolder(t)
  const before = new Set(identities(listing(dataFolder.catalogFile)))
  const segment = await readFile(segmentFile(dataFolder, 2))
  const start = segment.indexOf('vnd.msgpack', segment.indexOf('crane'))
  const end = segment.indexOf('number 0')
  assert.ok(start > 0 && end > start + 500)
  for (let at = start; at < end; at += 41) {
    await damage(dataFolder, 2, (bytes) => flip(bytes, at))
    await unlink(dataFolder.catalogFile)
    await rebuild(dataFolder)
    const listed = identities(listing(dataFolder.catalogFile))
    assert.deepEqual(
      listed.filter((file) => !before.has(file)),
      [],
      `byte ${at}`,
    )
    assert.ok(listed.length >= before.size - 20)
    await damage(dataFolder, 2, (bytes) => flip(bytes, at))
  }
})

test('invariant 3: a damaged file that a machine still has is stored again after a rebuild, and not before.', async (t) => {
  const dataFolder = await seededFolder(t)
  const last = buildMessage([{ path: '/last', bytes: 'the last' }])
  const offer = async () => {
    const stores = await openStores(dataFolder.path)
    const outcomes = await ingestInto(stores).take(incoming(last, { machine: 'crane' }))
    await stores.close()
    return outcomes?.map(({ status }) => status)
  }
  const stored = listing(dataFolder.catalogFile).find(({ path }) => path === '/last')!
  await damage(dataFolder, stored.segmentId, (bytes) => flip(bytes, stored.offset))
  assert.deepEqual(await offer(), ['already_stored'])
  await rebuild(dataFolder)
  assert.deepEqual(await offer(), ['stored'])
})

/** Copies a catalog as `kill -9` leaves it: with its log beside it, and rows only in there. */
async function killedFolder(t: TestContext): Promise<DataFolder> {
  const dataFolder = await seededFolder(t)
  const stores = await openStores(dataFolder.path)
  const message = buildMessage([{ path: '/only/in/the/log', bytes: 'log' }])
  await ingestInto(stores).take(incoming(message))
  const copy = await temporaryFolder(t)
  await cp(dataFolder.path, copy, { recursive: true })
  await stores.close()
  return { ...(await copyOf(t, { ...dataFolder, path: copy })) }
}

test("invariant 3: the old catalog's log is taken into it, and never applied to the new one.", async (t) => {
  const dataFolder = await killedFolder(t)
  assert.ok(existsSync(`${dataFolder.catalogFile}-wal`))
  const report = await rebuild(dataFolder)
  assert.deepEqual(catalogNames(dataFolder), ['catalog.sqlite', 'catalog.sqlite.old-1'])
  const paths = listing(dataFolder.catalogFile).map(({ path }) => path)
  assert.ok(paths.includes('/only/in/the/log' as never))
  assert.deepEqual(listing(report.keptAs!), listing(dataFolder.catalogFile))
})

test('A catalog is put in the place of one that was killed without its log meeting the other one.', async (t) => {
  const dataFolder = await killedFolder(t)
  const { catalogFile } = dataFolder
  const old = listing(catalogFile)
  const other = await seededFolder(t)
  const fresh = listing(other.catalogFile)
  const keptAs = await putCatalogInForce(other.catalogFile, catalogFile)
  assert.deepEqual(listing(catalogFile), fresh)
  assert.deepEqual(listing(keptAs!), old)
  assert.notDeepEqual(old, fresh)
})

test('invariant 3: a catalog that is no longer one goes aside, and nothing of it stays beside the new one.', async (t) => {
  const dataFolder = await killedFolder(t)
  const expected = await (async () => {
    const copy = await copyOf(t, dataFolder)
    await rebuild(copy)
    return listing(copy.catalogFile)
  })()
  for (const suffix of ['', '-wal']) {
    await writeFile(`${dataFolder.catalogFile}${suffix}`, Buffer.alloc(20_000, 7))
  }
  const report = await rebuild(dataFolder)
  assert.deepEqual(
    catalogNames(dataFolder).filter((name) => !name.startsWith('catalog.sqlite.old-1')),
    ['catalog.sqlite'],
  )
  assert.equal(report.comparedWithOld, 'nothing')
  assert.deepEqual(listing(dataFolder.catalogFile), expected)
  assert.deepEqual(await listingAfterStart(dataFolder), expected)
})

test('invariant 3: a catalog with a damaged page in its middle is replaced, and compared as far as it goes.', async (t) => {
  const dataFolder = await seededFolder(t)
  const before = listing(dataFolder.catalogFile)
  await damageFile(dataFolder.catalogFile, 4096 * 3)
  const report = await rebuild(dataFolder)
  assert.deepEqual(listing(dataFolder.catalogFile), before)
  assert.notEqual(report.keptAs, undefined)
})

async function damageFile(file: string, fromByte: number): Promise<void> {
  const bytes = await readFile(file)
  assert.ok(bytes.length > fromByte)
  await writeFile(file, bytes.fill(0xa5, fromByte))
}

test('invariant 3: a crash between any two steps of the change to the new catalog loses nothing.', async (t) => {
  const original = await killedFolder(t)
  const twin = await copyOf(t, original)
  await rebuild(twin)
  const expected = listing(twin.catalogFile)
  const steps: Record<string, (catalog: string) => Promise<void>> = {
    'the new one is complete': async () => {},
    'the log of the old one is in it': async (catalog) => takeCatalogAlone(catalog)?.close(),
    'the old one has its second name': async (catalog) => {
      takeCatalogAlone(catalog)?.close()
      await link(catalog, `${catalog}.old-1`)
    },
    'a damaged old one has gone aside, its log not yet': (catalog) =>
      rename(catalog, `${catalog}.old-1`),
    'its log has as well': async (catalog) => {
      await rename(catalog, `${catalog}.old-1`)
      await rename(`${catalog}-wal`, `${catalog}.old-1-wal`)
      await rename(`${catalog}-shm`, `${catalog}.old-1-shm`)
    },
  }
  for (const [name, step] of Object.entries(steps)) {
    for (const next of ['start', 'rebuild']) {
      const dataFolder = await copyOf(t, original)
      const { catalogFile } = dataFolder
      await copyFile(twin.catalogFile, `${catalogFile}.new`)
      await step(catalogFile)
      if (next === 'rebuild') await rebuild(dataFolder)
      assert.deepEqual(await listingAfterStart(dataFolder), expected, `${name}, then ${next}`)
    }
  }
})

test('A catalog that somebody reads is not replaced, and stays in force.', async (t) => {
  const dataFolder = await seededFolder(t)
  const before = listing(dataFolder.catalogFile)
  const reader = SqliteCatalog.open(dataFolder.catalogFile, { readOnly: true })
  const rows = reader.files()[Symbol.iterator]()
  rows.next()
  await assert.rejects(rebuild(dataFolder), { code: 'data_folder_in_use' })
  rows.return?.()
  await reader.close()
  assert.deepEqual(listing(dataFolder.catalogFile), before)
  await rebuild(dataFolder)
})

test('A signal ends a rebuild with the old catalog in force and nothing beside it.', async (t) => {
  const dataFolder = await seededFolder(t)
  const before = listing(dataFolder.catalogFile)
  const stop = new AbortController()
  let reads = 0
  const onProgress = () => {
    reads += 1
    if (reads === 20) stop.abort()
  }
  await assert.rejects(rebuild(dataFolder, { signal: stop.signal, onProgress }), {
    code: 'stopped',
  })
  assert.deepEqual(catalogNames(dataFolder), ['catalog.sqlite'])
  assert.deepEqual(listing(dataFolder.catalogFile), before)
})

test('Each rebuild keeps one more old catalog, and writes over none.', async (t) => {
  const dataFolder = await seededFolder(t)
  await rebuild(dataFolder)
  await rebuild(dataFolder)
  assert.deepEqual(catalogNames(dataFolder), [
    'catalog.sqlite',
    'catalog.sqlite.old-1',
    'catalog.sqlite.old-2',
  ])
})
