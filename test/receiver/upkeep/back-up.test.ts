import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type DataFolder, openDataFolder } from '../../../src/receiver/identity/data-folder.ts'
import { DataFolderLock } from '../../../src/receiver/identity/data-folder-lock.ts'
import { MachineStore } from '../../../src/receiver/identity/machine-store.ts'
import { recover } from '../../../src/receiver/store/recovery.ts'
import { type BackUpOptions, backUp } from '../../../src/receiver/upkeep/back-up.ts'
import { rebuildCatalog } from '../../../src/receiver/upkeep/rebuild-catalog.ts'
import { buildMessage } from '../../support/message.ts'
import {
  incoming,
  ingestInto,
  openStores,
  type Stores,
  temporaryFolder,
} from '../support/stores.ts'
import { contentsOf, flip, isIntact, listing, seededFolder, segmentFile } from './seeded-folder.ts'

function backUpTo(dataFolder: DataFolder, to: string, more: Partial<BackUpOptions> = {}) {
  return backUp({
    dataFolder,
    to,
    signal: new AbortController().signal,
    onProgress: () => {},
    onDamaged: () => assert.fail('damaged'),
    ...more,
  })
}

async function targetFolder(t: TestContext): Promise<string> {
  return join(await temporaryFolder(t), 'backup')
}

async function take(stores: Stores, path: string, bytes = path) {
  await ingestInto(stores).take(incoming(buildMessage([{ path, bytes }])))
}

/** Starts on the copy as a receiver does; every file that it lists must be whole there. */
async function openedCopy(to: string) {
  const stores = await openStores(to)
  const { enteredMessages, cutBytes, damaged } = await recover(stores.segments, stores.catalog)
  await stores.close()
  assert.deepEqual(
    { enteredMessages, cutBytes, damaged },
    { enteredMessages: 0, cutBytes: 0, damaged: [] },
  )
  const files = listing(join(to, 'catalog.sqlite'))
  const segments = await contentsOf(join(to, 'segments'))
  assert.deepEqual(
    files.filter((file) => !isIntact(file, segments)),
    [],
  )
  return files
}

test('A copy has all files, machines and the CA, with their modes, and nothing that is unfinished.', async (t) => {
  const dataFolder = await seededFolder(t)
  const machines = await MachineStore.open(dataFolder.machinesFolder)
  const { secret } = await machines.add('robot')
  const keyFile = join(dataFolder.tlsFolder, 'ca.key')
  await writeFile(keyFile, 'a key', { mode: 0o600 })
  await writeFile(join(dataFolder.tlsFolder, 'ca.pem'), 'a certificate')
  await chmod(join(dataFolder.tlsFolder, 'ca.pem'), 0o644)
  const to = await targetFolder(t)
  const report = await backUpTo(dataFolder, to)
  assert.deepEqual(await openedCopy(to), listing(dataFolder.catalogFile))
  assert.equal(report.files, listing(dataFolder.catalogFile).length)
  const copiedMachines = await MachineStore.open(join(to, 'machines'))
  assert.deepEqual(
    (await copiedMachines.list()).map(({ id }) => id),
    ['robot'],
  )
  assert.ok(secret.length > 0)
  assert.equal((await stat(join(to, 'tls', 'ca.key'))).mode & 0o777, 0o600)
  assert.equal((await stat(join(to, 'tls', 'ca.pem'))).mode & 0o777, 0o644)
  assert.equal(await readFile(join(to, 'tls', 'ca.key'), 'utf8'), 'a key')
  for (const folder of ['', 'segments', 'machines', 'tls']) {
    assert.equal((await stat(join(to, folder))).mode & 0o777, 0o700, folder)
  }
  const names = [...(await contentsOf(join(to, 'segments'))).keys()]
  assert.ok(
    names.every((name) => name.endsWith('.seg')),
    String(names),
  )
})

test('invariant 2: each backup that is made while messages arrive has all that was acknowledged before it.', async (t) => {
  const dataFolder = await seededFolder(t)
  const stores = await openStores(dataFolder.path)
  t.after(() => stores.close())
  const to = await targetFolder(t)
  const acknowledged: string[] = []
  let isOver = false
  const uploads = (async () => {
    for (let number = 0; !isOver; number += 1) {
      await take(stores, `/live/${number}`, `${number} `.repeat(2000))
      acknowledged.push(`/live/${number}`)
    }
  })()
  let copied = 0
  for (let round = 0; round < 8; round += 1) {
    const before = [...acknowledged]
    copied += (await backUpTo(dataFolder, to)).copiedBytes
    const paths = new Set((await openedCopy(to)).map(({ path }) => path as string))
    assert.deepEqual(
      before.filter((path) => !paths.has(path)),
      [],
    )
  }
  isOver = true
  await uploads
  assert.ok(acknowledged.length > 8)
  const { copiedBytes } = await backUpTo(dataFolder, to)
  assert.equal((await openedCopy(to)).length, listing(dataFolder.catalogFile).length)
  // Each byte was copied once, over all rounds.
  const segments = await contentsOf(join(to, 'segments'))
  const total = [...segments.values()].reduce((sum, { length }) => sum + length, 0)
  assert.equal(copied + copiedBytes, total)
})

test('A second backup copies what is new only, follows removed machines, and leaves what it has.', async (t) => {
  const dataFolder = await seededFolder(t)
  const machines = await MachineStore.open(dataFolder.machinesFolder)
  await machines.add('robot')
  const to = await targetFolder(t)
  await backUpTo(dataFolder, to)
  assert.equal((await backUpTo(dataFolder, to)).copiedBytes, 0)
  const before = await stat(
    segmentFile(await openDataFolder(to, { store: 'folder', create: false }), 4),
  )
  await machines.remove('robot')
  const stores = await openStores(dataFolder.path)
  await take(stores, '/new')
  await stores.close()
  const { copiedBytes } = await backUpTo(dataFolder, to)
  assert.ok(copiedBytes > 0 && copiedBytes < 2000, `${copiedBytes}`)
  assert.deepEqual(await openedCopy(to), listing(dataFolder.catalogFile))
  const after = await stat(join(to, 'segments', '000000000004.seg'))
  assert.deepEqual([after.ino, after.mtimeMs], [before.ino, before.mtimeMs])
  assert.deepEqual(await (await MachineStore.open(join(to, 'machines'))).list(), [])
})

test('A backup that a signal ends leaves the earlier one as it was, and the next one completes it.', async (t) => {
  const dataFolder = await seededFolder(t)
  const to = await targetFolder(t)
  await backUpTo(dataFolder, to)
  const earlier = await openedCopy(to)
  const stores = await openStores(dataFolder.path)
  await take(stores, '/new/1')
  await stores.close()
  const more = await openStores(dataFolder.path)
  await take(more, '/new/2')
  await more.close()
  const stop = new AbortController()
  const onProgress = () => stop.abort()
  await assert.rejects(backUpTo(dataFolder, to, { signal: stop.signal, onProgress }), {
    code: 'stopped',
  })
  const list = listing(join(to, 'catalog.sqlite'))
  assert.deepEqual(list, earlier)
  await backUpTo(dataFolder, to)
  assert.deepEqual(await openedCopy(to), listing(dataFolder.catalogFile))
})

test('Where something else is, nothing is written over.', async (t) => {
  const dataFolder = await seededFolder(t)
  const foreign = await temporaryFolder(t)
  await writeFile(join(foreign, 'mine'), 'mine')
  const other = await temporaryFolder(t)
  await openDataFolder(other, { store: 'folder', create: true })
  await mkdir(join(dataFolder.path, 'inside'))
  for (const to of [foreign, other, dataFolder.path, join(dataFolder.path, 'inside', 'deep')]) {
    await assert.rejects(backUpTo(dataFolder, to), { code: 'output_not_empty' }, to)
  }
  assert.deepEqual([...(await contentsOf(foreign)).keys()], ['mine'])
  assert.ok(!existsSync(join(dataFolder.path, 'inside', 'deep')))
})

test('A backup that has been used as a data folder, or is one now, is not written over.', async (t) => {
  const dataFolder = await seededFolder(t)
  const to = await targetFolder(t)
  await backUpTo(dataFolder, to)
  const lock = DataFolderLock.take(to)
  await assert.rejects(backUpTo(dataFolder, to), { code: 'data_folder_in_use' })
  lock.release()
  const stores = await openStores(to)
  await take(stores, '/taken/by/the/copy')
  await stores.close()
  const before = await contentsOf(join(to, 'segments'))
  await assert.rejects(backUpTo(dataFolder, to), { code: 'output_not_empty' })
  assert.deepEqual(await contentsOf(join(to, 'segments')), before)
})

test('invariant 3: what is lost in the original, or stands under its number now, spoils no backup.', async (t) => {
  const dataFolder = await seededFolder(t)
  const to = await targetFolder(t)
  await backUpTo(dataFolder, to)
  const before = await contentsOf(join(to, 'segments'))
  const original = await readFile(segmentFile(dataFolder, 5))
  const damaged: number[] = []
  const onDamaged = (segmentId: number) => damaged.push(segmentId)
  await truncate(segmentFile(dataFolder, 5), 1000)
  await backUpTo(dataFolder, to, { onDamaged })
  await truncate(segmentFile(dataFolder, 5), 2)
  await backUpTo(dataFolder, to, { onDamaged })
  assert.deepEqual(damaged, [5, 5])
  await writeFile(segmentFile(dataFolder, 5), flip(original, 30))
  await backUpTo(dataFolder, to)
  assert.deepEqual(await contentsOf(join(to, 'segments')), before)
  // As large, and of another machine.
  await copyFile(segmentFile(dataFolder, 4), segmentFile(dataFolder, 5))
  await assert.rejects(backUpTo(dataFolder, to), { code: 'output_not_empty' })
  await rm(segmentFile(dataFolder, 5))
  await rebuildCatalog({
    dataFolder,
    signal: new AbortController().signal,
    onProgress: () => {},
    onLost: () => {},
  })
  await assert.rejects(backUpTo(dataFolder, to), { code: 'output_not_empty' })
  assert.deepEqual(await contentsOf(join(to, 'segments')), before)
})

test('Of a segment that is shorter than the catalog says, what there is is copied, and it is reported.', async (t) => {
  const dataFolder = await seededFolder(t)
  await truncate(segmentFile(dataFolder, 4), 70_000)
  await rm(segmentFile(dataFolder, 5))
  const damaged: number[] = []
  const to = await targetFolder(t)
  const report = await backUpTo(dataFolder, to, { onDamaged: (id) => damaged.push(id) })
  assert.deepEqual(damaged, [4, 5])
  assert.equal(report.damagedSegments, 2)
  assert.equal((await stat(join(to, 'segments', '000000000004.seg'))).size, 70_000)
  assert.deepEqual(listing(join(to, 'catalog.sqlite')), listing(dataFolder.catalogFile))
})
