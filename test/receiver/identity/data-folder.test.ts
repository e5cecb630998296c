import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { openDataFolder } from '../../../src/receiver/identity/data-folder.ts'
import { coded, temporaryFolder } from './support.ts'

const durable = { store: 'folder', create: true } as const
const marker = 'longshore-receiver.json'

test('A missing folder is made with its parents, for its owner only.', async (t) => {
  const path = join(await temporaryFolder(t), 'a', 'b')
  const folder = await openDataFolder(path, durable)
  assert.equal((await stat(path)).mode & 0o777, 0o700)
  assert.deepEqual((await readdir(path)).sort(), [marker, 'machines', 'segments', 'tls'])
  for (const sub of [folder.segmentsFolder, folder.machinesFolder, folder.tlsFolder]) {
    assert.equal((await stat(sub)).mode & 0o777, 0o700)
  }
  assert.equal(folder.catalogFile, join(path, 'catalog.sqlite'))
})

test('The marker holds format, store and time of making, and a second opening keeps it.', async (t) => {
  const path = await temporaryFolder(t)
  const first = await openDataFolder(path, durable)
  const text = await readFile(join(path, marker), 'utf8')
  assert.deepEqual(JSON.parse(text), { format: 1, store: 'folder', created_at: first.createdAt })
  assert.ok(Math.abs(Date.parse(first.createdAt) - Date.now()) < 3_600_000)

  const second = await openDataFolder(path, durable)
  assert.deepEqual(second, first)
  assert.equal(await readFile(join(path, marker), 'utf8'), text)
})

test('An empty folder that a person made is taken over and closed to others.', async (t) => {
  const path = join(await temporaryFolder(t), 'data')
  await mkdir(path)
  await chmod(path, 0o755)
  await openDataFolder(path, durable)
  assert.equal((await stat(path)).mode & 0o777, 0o700)
})

test('A fresh file system with lost+found and a marker broken off half-way can be used.', async (t) => {
  const path = await temporaryFolder(t)
  await mkdir(join(path, 'lost+found'))
  await writeFile(join(path, `.${marker}.0123456789ab.tmp`), '{ "form')
  assert.equal((await openDataFolder(path, durable)).store, 'folder')
})

test('A relative path gives absolute ones.', async (t) => {
  const path = await temporaryFolder(t)
  const folder = await openDataFolder(relative(process.cwd(), path), durable)
  assert.equal(folder.segmentsFolder, join(path, 'segments'))
})

test('A folder with files of a person is refused and left as it was.', async (t) => {
  const path = await temporaryFolder(t)
  await writeFile(join(path, 'thesis.txt'), 'x')
  await assert.rejects(
    openDataFolder(path, durable),
    coded('data_folder_unusable', /thesis\.txt/, new RegExp(path)),
  )
  assert.deepEqual(await readdir(path), ['thesis.txt'])
})

test('A missing, an empty and a foreign folder are refused unmade when none is to be made.', async (t) => {
  const path = await temporaryFolder(t)
  const options = { store: 'folder', create: false } as const
  await assert.rejects(openDataFolder(path, options), coded('data_folder_unusable'))
  await assert.rejects(openDataFolder(join(path, 'none'), options), coded('data_folder_unusable'))
  assert.deepEqual(await readdir(path), [])
  await writeFile(join(path, 'x'), '')
  await assert.rejects(openDataFolder(path, options), coded('data_folder_unusable'))
})

test('A file, and a place where nothing can be made, are refused.', async (t) => {
  const path = join(await temporaryFolder(t), 'file')
  await writeFile(path, '')
  const isNoFolder = coded('data_folder_unusable', /not a folder/)
  await assert.rejects(openDataFolder(path, durable), isNoFolder)
  await assert.rejects(openDataFolder(join(path, 'below'), durable), isNoFolder)
  await assert.rejects(openDataFolder(path, { ...durable, create: false }), isNoFolder)
  await assert.rejects(openDataFolder('/proc/data', durable), coded('data_folder_unusable'))
})

test('A folder of a newer format is refused with both versions and the way out.', async (t) => {
  const path = await temporaryFolder(t)
  await writeFile(join(path, marker), '{ "format": 7, "something": "else" }')
  await assert.rejects(openDataFolder(path, durable), (error) => {
    coded('data_folder_newer', /format 7/, /up to 1/)(error)
    assert.match(String((error as { hint?: string }).hint), /Upgrade Longshore/)
    return true
  })
})

test('A damaged marker is refused and never written over.', async (t) => {
  const path = await temporaryFolder(t)
  const damaged = [
    '',
    '{ "format": 1',
    'null',
    '[]',
    '{"format":0}',
    '{"format":1,"store":"tape","created_at":"x"}',
    '{"format":1,"store":"folder"}',
  ]
  for (const text of damaged) {
    await writeFile(join(path, marker), text)
    await assert.rejects(openDataFolder(path, durable), coded('data_folder_unusable', /damaged/))
    assert.equal(await readFile(join(path, marker), 'utf8'), text)
  }
})

test('A receiver that throws away never opens the folder of one that keeps, nor the reverse.', async (t) => {
  const path = await temporaryFolder(t)
  await openDataFolder(join(path, 'kept'), durable)
  await openDataFolder(join(path, 'null'), { store: 'null', create: true })
  await assert.rejects(
    openDataFolder(join(path, 'kept'), { store: 'null', create: true }),
    coded('data_folder_other_store', /keeps/),
  )
  await assert.rejects(
    openDataFolder(join(path, 'null'), durable),
    coded('data_folder_other_store', /throws away/),
  )
})

test('Commands for either kind take a folder as it was made, and make a durable one.', async (t) => {
  const path = await temporaryFolder(t)
  const either = { store: 'as_made', create: true } as const
  await openDataFolder(join(path, 'null'), { store: 'null', create: true })
  assert.equal((await openDataFolder(join(path, 'null'), either)).store, 'null')
  assert.equal((await openDataFolder(join(path, 'new'), either)).store, 'folder')
})

test('Of many that make the folder at once, one wins and all agree with it.', async (t) => {
  const path = join(await temporaryFolder(t), 'data')
  const results = await Promise.allSettled(
    Array.from({ length: 16 }, (_, i) =>
      openDataFolder(path, { store: i % 2 === 0 ? 'folder' : 'null', create: true }),
    ),
  )
  const { store, created_at } = JSON.parse(await readFile(join(path, marker), 'utf8'))
  for (const result of results) {
    if (result.status === 'fulfilled') {
      assert.equal(result.value.store, store)
      assert.equal(result.value.createdAt, created_at)
    } else {
      coded('data_folder_other_store')(result.reason)
    }
  }
  assert.equal(results.filter((result) => result.status === 'fulfilled').length, 8)
  assert.deepEqual((await readdir(path)).sort(), [marker, 'machines', 'segments', 'tls'])
})
