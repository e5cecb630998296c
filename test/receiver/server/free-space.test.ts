import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { FreeSpace, hasRoom } from '../../../src/receiver/server/free-space.ts'

/** Time that stands still: the figures are read once. */
function spaceWith(minFreeShare: number): FreeSpace {
  const clock = { wallMs: () => 0, monotonicMs: () => 0, sleep: async () => {} }
  return new FreeSpace({ folder: tmpdir(), minFreeShare, clock })
}

test('There is room while the share that must stay free does.', () => {
  const figures = { freeBytes: 300, totalBytes: 1000 }
  assert.equal(hasRoom(figures, 0.2, 100), true)
  assert.equal(hasRoom(figures, 0.2, 101), false)
  assert.equal(hasRoom(figures, 0, 300), true)
  assert.equal(hasRoom(figures, 0, 301), false)
})

test('Uploads under way count with what they announced, until it is written or given up.', async () => {
  const space = spaceWith(0)
  const { freeBytes } = await space.figures()
  assert.equal(await space.enter(freeBytes - 100), true)
  assert.equal(await space.enter(200), false)
  assert.equal(await space.enter(100), true)
  assert.equal(await space.enter(1), false)
  space.leave(150)
  assert.equal(await space.enter(150), true)
  assert.equal(await space.enter(1), false)
})

test('What takes no room is let in, however full the disk is.', async () => {
  assert.equal(await spaceWith(1).enter(0), true)
  assert.equal(await spaceWith(1).enter(1), false)
})
