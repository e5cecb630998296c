import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { FolderMemory, type FolderStamp } from '../../src/scan/folder-memory.ts'

const folder = bytePath('/data/a')
const wallMs = 1_800_000_000_000
const atMs = (ms: number) => BigInt(ms) * 1_000_000n
/** Of a folder that last changed a minute ago. */
const stamp: FolderStamp = {
  mtimeNs: atMs(wallMs - 60_000),
  ctimeNs: atMs(wallMs - 60_000),
  wallMs,
}

describe('a folder in which nothing can become ready', () => {
  test('is not looked into before its time', () => {
    const memory = new FolderMemory()
    memory.remember(folder, stamp, 5000, 1000)
    assert.equal(memory.canSkip(folder, stamp, 4999), true)
    assert.equal(memory.canSkip(folder, stamp, 5000), false)
  })

  test('is looked into at once when its mtime has changed', () => {
    const memory = new FolderMemory()
    memory.remember(folder, stamp, 5000, 1000)
    assert.equal(memory.canSkip(folder, { ...stamp, mtimeNs: stamp.mtimeNs + 1n }, 2000), false)
    assert.equal(memory.canSkip(folder, { ...stamp, mtimeNs: stamp.mtimeNs - 1n }, 2000), false)
  })

  test('is looked into at once when somebody put an old mtime back', () => {
    const memory = new FolderMemory()
    memory.remember(folder, stamp, 5000, 1000)
    assert.equal(memory.canSkip(folder, { ...stamp, ctimeNs: stamp.ctimeNs + 1n }, 2000), false)
  })

  test('is looked into again within ten minutes, whatever it says', () => {
    const memory = new FolderMemory()
    memory.remember(folder, stamp, Number.POSITIVE_INFINITY, 1000)
    assert.equal(memory.canSkip(folder, stamp, 1000 + 599_999), true)
    assert.equal(memory.canSkip(folder, stamp, 1000 + 600_000), false)
  })

  for (const ageMs of [0, 1, 2000, 2999, -1, -2999]) {
    test(`is not believed when it changed ${ageMs} ms ago: more may come in the same tick`, () => {
      const memory = new FolderMemory()
      const fresh = { ...stamp, mtimeNs: atMs(wallMs - ageMs) }
      memory.remember(folder, fresh, 5000, 1000)
      assert.equal(memory.canSkip(folder, fresh, 1001), false)
    })
  }

  for (const ageMs of [3000, 86_400_000, -3000, -86_400_000]) {
    test(`is believed when it changed ${ageMs} ms ago`, () => {
      const memory = new FolderMemory()
      const old = { ...stamp, mtimeNs: atMs(wallMs - ageMs) }
      memory.remember(folder, old, 5000, 1000)
      assert.equal(memory.canSkip(folder, old, 1001), true)
    })
  }

  test('that became fresh is not remembered as it was before', () => {
    const memory = new FolderMemory()
    memory.remember(folder, stamp, 5000, 1000)
    memory.remember(folder, { ...stamp, mtimeNs: atMs(wallMs) }, 9000, 2000)
    assert.equal(memory.canSkip(folder, stamp, 3000), false)
    assert.equal(memory.size, 0)
  })

  test('can be forgotten', () => {
    const memory = new FolderMemory()
    memory.remember(folder, stamp, 5000, 1000)
    memory.forget(folder)
    assert.equal(memory.canSkip(folder, stamp, 1001), false)
  })

  test('invariant 7: is not kept in mind for ever once it is gone', () => {
    const memory = new FolderMemory()
    for (let n = 0; n < 100; n += 1) {
      memory.remember(bytePath(`/d/${n}`), stamp, Number.POSITIVE_INFINITY, n)
    }
    memory.remember(folder, stamp, Number.POSITIVE_INFINITY, 600_050)
    assert.ok(memory.size < 100, 'those whose time is over went')
    assert.equal(memory.canSkip(bytePath('/d/99'), stamp, 600_060), true, 'and no other')
    memory.remember(folder, stamp, Number.POSITIVE_INFINITY, 1_300_000)
    assert.equal(memory.size, 1)
  })

  test('is one of a bounded number', () => {
    const memory = new FolderMemory()
    for (let n = 0; n < 70_000; n += 1) memory.remember(bytePath(`/d/${n}`), stamp, 5000, 1000)
    assert.ok(memory.size <= 65_536, String(memory.size))
    assert.equal(memory.canSkip(bytePath('/d/69999'), stamp, 1001), true)
  })
})
