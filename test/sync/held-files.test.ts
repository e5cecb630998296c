import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeldFiles } from '../../src/sync/held-files.ts'
import { imaginaries, imaginary } from './candidates.ts'

const file = imaginary('/data/a')

describe('held files', () => {
  test('wait longer with each failure', () => {
    const held = new HeldFiles()
    assert.equal(held.hold(file, 0, 1), 1)
    assert.equal(held.isHeld(file.path, 999), true)
    assert.equal(held.isHeld(file.path, 1000), false)
    assert.equal(held.hold(file, 1000, 1), 2)
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

  test('start afresh when another version of the file has taken its place', () => {
    const held = new HeldFiles()
    held.hold(file, 0, 1)
    held.hold(file, 0, 1)
    assert.equal(held.attempts({ ...file, mtimeNs: 2n }), 0)
    assert.equal(held.attempts({ ...file, sizeBytes: 2 }), 0)
    assert.equal(held.hold({ ...file, mtimeNs: 2n }, 0, 1), 1)
    assert.equal(held.attempts(file), 0)
  })

  test('are a bounded number, of which the one that has waited longest is let go', () => {
    const held = new HeldFiles()
    const files = imaginaries(10_001, 1)
    for (const each of files) held.hold(each, 0, 1)
    assert.equal(held.size, 10_000)
    assert.equal(held.isHeld(files[0]!.path, 0), false)
    assert.equal(held.isHeld(files[1]!.path, 0), true)
    assert.equal(held.isHeld(files[10_000]!.path, 0), true)
  })

  test('that fail again count as the latest', () => {
    const held = new HeldFiles()
    const files = imaginaries(10_001, 1)
    for (const each of files.slice(0, 10_000)) held.hold(each, 0, 1)
    held.hold(files[0]!, 0, 1)
    held.hold(files[10_000]!, 0, 1)
    assert.equal(held.attempts(files[0]!), 2)
    assert.equal(held.attempts(files[1]!), 0)
  })
})
