import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { HeldFiles } from '../../src/sync/held-files.ts'
import { imaginaries, imaginary } from './candidates.ts'

const file = imaginary('/data/a')

describe('held files', () => {
  test('wait longer with each failure', () => {
    const held = new HeldFiles()
    assert.equal(held.hold(file, 0, 1).attempts, 1)
    assert.equal(held.isHeld(file.path, 999), true)
    assert.equal(held.isHeld(file.path, 1000), false)
    assert.equal(held.hold(file, 1000, 1).attempts, 2)
    assert.equal(held.isHeld(file.path, 2999), true)
    assert.equal(held.isHeld(file.path, 3000), false)
  })

  test('wait ten minutes at most', () => {
    const held = new HeldFiles()
    for (let n = 0; n < 50; n += 1) held.hold(file, 0, 1)
    assert.equal(held.isHeld(file.path, 599_999), true)
    assert.equal(held.isHeld(file.path, 600_000), false)
  })

  test('keep their count while they are tried again', () => {
    const held = new HeldFiles()
    held.hold(file, 0, 1)
    assert.equal(held.isHeld(file.path, 1e9), false)
    assert.equal(held.attempts(file), 1)
  })

  test('start afresh once they are released', () => {
    const held = new HeldFiles()
    held.hold(file, 0, 1)
    held.release(file.path)
    assert.equal(held.isHeld(file.path, 0), false)
    assert.equal(held.attempts(file), 0)
    assert.equal(held.size, 0)
  })

  test('invariant 7: are forgotten an hour after their time: their owner has taken them away', () => {
    const held = new HeldFiles()
    for (const gone of imaginaries(100, 1, '/data/gone/f')) held.hold(gone, 0, 1)
    held.hold(file, 3_600_999, 1)
    assert.equal(held.size, 101)
    held.hold(file, 3_661_000, 1)
    assert.equal(held.size, 1)
  })

  test('keep their count when they fail again after more than an hour', () => {
    const held = new HeldFiles()
    held.hold(file, 0, 1)
    assert.equal(held.hold(file, 24 * 3_600_000, 1).attempts, 2)
  })

  test('start afresh when another version of the file has taken its place', () => {
    const held = new HeldFiles()
    held.hold(file, 0, 1)
    held.hold(file, 0, 1)
    assert.equal(held.attempts({ ...file, mtimeNs: 2n }), 0)
    assert.equal(held.attempts({ ...file, sizeBytes: 2 }), 0)
    assert.equal(held.hold({ ...file, mtimeNs: 2n }, 0, 1).attempts, 1)
    assert.equal(held.attempts(file), 0)
  })
})

const tooMany = 10_000
/** One that is full of files in other folders. */
function fullOfFiles(): HeldFiles {
  const held = new HeldFiles()
  failAll(held, 0)
  return held
}
function failAll(held: HeldFiles, nowMs: number): void {
  for (const each of imaginaries(tooMany, 1, '/data/many/f')) held.hold(each, nowMs, 1)
}
function fullOfFolders(): HeldFiles {
  const held = fullOfFiles()
  for (let n = 0; n < 1000; n += 1) held.hold(imaginary(`/data/d${n}/a`), 0, 1)
  return held
}

describe('above 10,000 held files', () => {
  test('invariant 7: the folder of the next one is held, and the others are as before', () => {
    const held = fullOfFiles()
    const next = imaginary('/data/next/a')
    assert.deepEqual(held.hold(next, 0, 1), { attempts: 1, held: '/data/next', isNew: true })
    assert.deepEqual(held.counts(0), { files: tooMany, folders: 1 })
    assert.equal(held.isHeld(next.path, 999), true)
    assert.equal(held.isHeld(bytePath('/data/next/b'), 999), true, 'its neighbours wait with it')
    assert.equal(held.isHeld(bytePath('/data/next/sub/b'), 999), false)
    assert.equal(held.isHeld(bytePath('/data/next2/b'), 999), false)
    assert.equal(held.isHeld(next.path, 1000), false)
    assert.equal(held.isHeld(bytePath('/data/many/f0'), 999), true, 'none was forgotten')
  })

  test('one that fails again is still known by itself', () => {
    const held = fullOfFiles()
    const [again] = imaginaries(1, 1, '/data/many/f')
    assert.equal(held.hold(again!, 1000, 1).attempts, 2)
    assert.equal(held.size, tooMany)
  })

  test('many failures of a folder in one pass count as one, and the next pass as another', () => {
    const held = fullOfFiles()
    const files = imaginaries(500, 1, '/data/next/f')
    const holds = files.map((each) => held.hold(each, 0, 1))
    assert.deepEqual(
      holds.map(({ isNew }) => isNew),
      files.map((_, n) => n === 0),
    )
    assert.deepEqual(held.hold(files[0]!, 1000, 1), {
      attempts: 2,
      held: '/data/next',
      isNew: true,
    })
    assert.equal(held.isHeld(files[0]!.path, 2999), true)
    assert.equal(held.isHeld(files[0]!.path, 3000), false)
  })

  test('a folder in which nothing has failed for an hour starts afresh', () => {
    const held = fullOfFiles()
    const next = imaginary('/data/next/a')
    for (let n = 0; n < 3; n += 1) held.hold(next, n * 10_000, 1)
    failAll(held, 3_600_000)
    assert.equal(held.hold(next, 3_623_999, 1).attempts, 4)
    failAll(held, 7_200_000)
    assert.deepEqual(held.hold(next, 7_300_000, 1), {
      attempts: 1,
      held: '/data/next',
      isNew: true,
    })
  })

  test('what failed in a folder is held against none of its files', () => {
    const held = fullOfFiles()
    const next = imaginary('/data/next/a')
    for (let n = 0; n < 9; n += 1) held.hold(next, n * 100_000, 1)
    assert.equal(held.attempts(next), 0)
  })

  test('a file is held by itself again once another is released', () => {
    const held = fullOfFiles()
    held.release(bytePath('/data/many/f7'))
    const next = imaginary('/data/next/a')
    assert.equal(held.hold(next, 0, 1).held, next.path)
  })

  test('room is made of those that nobody has tried for an hour, and of no others', () => {
    const held = fullOfFiles()
    const hourMs = 3_600_000
    const late = imaginary('/data/late/a')
    const [first] = imaginaries(1, 1, '/data/many/f')
    // Due at 600,000 at the latest, as the others were at 1000.
    for (let n = 0; n < 20; n += 1) held.hold(first!, 0, 1)
    assert.equal(held.hold(late, hourMs + 999, 1).held, '/data/late')
    assert.equal(held.hold(imaginary('/data/x/a'), hourMs + 61_000, 1).held, '/data/x/a')
    assert.equal(held.attempts(first!), 21)
    assert.equal(held.size, 2)
  })
})

describe('above 1,000 held folders', () => {
  test('invariant 7: the root of the next file is held, however many fail after it', () => {
    const held = fullOfFolders()
    const root = bytePath('/data')
    const hold = held.hold(imaginary('/data/next/a', { root }), 0, 1)
    assert.deepEqual(hold, { attempts: 1, held: '/data', isNew: true })
    for (let n = 0; n < 5000; n += 1) held.hold(imaginary(`/data/e${n}/a`, { root }), 0, 1)
    assert.deepEqual(held.counts(0), { files: tooMany, folders: 1001 })
    assert.equal(held.isHeld(bytePath('/data/e1/other'), 999), true)
    assert.equal(held.isHeld(bytePath('/data2/a'), 999), false)
    assert.equal(held.isHeld(bytePath('/data/e1/other'), 1000), false)
    assert.deepEqual(held.counts(1000), { files: 0, folders: 0 })
  })
})
