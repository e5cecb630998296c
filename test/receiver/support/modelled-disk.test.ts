import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../support/seeded-random.ts'
import { ModelledDisk } from './modelled-disk.ts'
import { ModelledFs } from './modelled-fs.ts'

function setUp(syncOf: () => 'works' | 'fails' = () => 'works') {
  const disk = new ModelledDisk()
  const fs = new ModelledFs({ disk, folder: '/f', wallMs: () => 0, onOperation: () => {}, syncOf })
  const write = async (name: string, text: string, at = 0) => {
    await using file = await fs.open(`/f/${name}`, disk.fileIdOf(name) === undefined ? 'wx' : 'r+')
    await file.writev([Buffer.from(text)], at)
  }
  const sync = async (name: string) => {
    await using file = await fs.open(name === '' ? '/f' : `/f/${name}`, 'r')
    await file.sync()
  }
  return { disk, fs, write, sync }
}

function found(disk: ModelledDisk, survival: 'all_lost' | 'all_kept' | 'mixed', seed = 1) {
  const after = disk.afterPowerCut(survival, new SeededRandom(seed))
  return Object.fromEntries(
    after.names.map((name) => [name, String(after.bytesOf(after.fileIdOf(name)!))]),
  )
}

test('On the modelled disk a file is durable with its own sync and its name with that of the folder.', async () => {
  const { disk, write, sync } = setUp()
  await write('a', 'text')
  await sync('a')
  assert.deepEqual(found(disk, 'all_lost'), {})
  await sync('')
  await write('b', 'not synced')
  await sync('')
  assert.deepEqual(found(disk, 'all_lost'), { a: 'text', b: '' })
  assert.deepEqual(found(disk, 'all_kept'), { a: 'text', b: 'not synced' })
})

test('On the modelled disk a rename and a removal may be lost, each by itself.', async () => {
  const { disk, fs, write, sync } = setUp()
  for (const name of ['a', 'b']) {
    await write(name, name)
    await sync(name)
  }
  await sync('')
  await fs.rename('/f/a', '/f/c')
  await fs.unlink('/f/b')
  const seen = new Set<string>()
  for (let seed = 1; seed <= 50; seed += 1) {
    seen.add(
      Object.keys(found(disk, 'mixed', seed))
        .sort()
        .join(' '),
    )
  }
  assert.deepEqual([...seen].sort(), ['a', 'a b', 'b c', 'c'])
})

test('On the modelled disk no later sync writes what a failed one left, until it is written again.', async () => {
  let isBroken = false
  const { disk, write, sync } = setUp(() => (isBroken ? 'fails' : 'works'))
  await write('a', '1234')
  await sync('a')
  await sync('')
  isBroken = true
  await write('a', '5678', 4)
  await assert.rejects(sync('a'), { code: 'EIO' })
  isBroken = false
  await write('a', '9', 8)
  await sync('a')
  assert.deepEqual(found(disk, 'all_lost'), { a: '1234\0\0\0\x009' })
  assert.equal(String(disk.bytesOf(disk.fileIdOf('a')!)), '123456789', 'processes see all of it')
  await write('a', '5678', 4)
  await sync('a')
  assert.deepEqual(found(disk, 'all_lost'), { a: '123456789' })
})

test('On the modelled disk blocks that were not synced are old, new, torn or zeros, and the others stay.', async () => {
  const { disk, write, sync } = setUp()
  await write('a', 'o'.repeat(5000))
  await sync('a')
  await sync('')
  await write('a', 'n'.repeat(8000), 5000)
  const kinds = new Set<string>()
  for (let seed = 1; seed <= 200; seed += 1) {
    const text = found(disk, 'mixed', seed).a!
    assert.match(text, /^o{5000}n*\0*n*\0*n*\0*$/)
    kinds.add(`${text.includes('\0') ? 'zeros ' : ''}${text.includes('n') ? 'new ' : ''}`)
  }
  assert.deepEqual([...kinds].sort(), ['', 'new ', 'zeros ', 'zeros new '])
})
