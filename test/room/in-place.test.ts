import assert from 'node:assert/strict'
import { renameSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { BytePath } from '../../src/base/byte-path.ts'
import { InPlace } from '../../src/room/in-place.ts'
import { ScanTree } from '../scan/scan-tree.ts'

let tree: ScanTree
let device: bigint
beforeEach(() => {
  tree = new ScanTree()
  tree.folder('capture/cam/day')
  device = statSync(tree.path, { bigint: true }).dev
})
afterEach(() => tree.remove())

function isInPlace(
  name: string,
  {
    closed = [],
    mounts = [],
    ofDevice = device,
  }: { closed?: BytePath[]; mounts?: BytePath[]; ofDevice?: bigint } = {},
): boolean {
  const ground = { captureDir: tree.at('capture'), closed }
  return new InPlace(ground, new Set(mounts)).has(tree.at(name), ofDevice)
}

const name = 'capture/cam/day/f.capture'

describe('a file that was found in a walk', () => {
  test('is in place while nothing has changed on its way', () => {
    assert.equal(isInPlace(name), true)
    assert.equal(isInPlace('capture/f.capture'), true)
    assert.equal(isInPlace(name, { mounts: [tree.at('capture'), tree.at('other')] }), true)
  })

  test('invariant 1: is not behind a link, of whichever folder', () => {
    for (const folder of ['capture/cam/day', 'capture/cam', 'capture']) {
      renameSync(tree.at(folder), tree.at('away'))
      symlinkSync(tree.at('away'), tree.at(folder))
      assert.equal(isInPlace(name), false, folder)
      renameSync(tree.at(folder), tree.at(`${folder}-link`))
      renameSync(tree.at('away'), tree.at(folder))
    }
  })

  test('invariant 1: is not on another file system, nor on a mounted folder of the same', () => {
    assert.equal(isInPlace(name, { ofDevice: device + 1n }), false)
    for (const folder of ['capture/cam/day', 'capture/cam']) {
      assert.equal(isInPlace(name, { mounts: [tree.at(folder)] }), false, folder)
    }
  })

  test('invariant 1: is not in a root that is to be left alone by now, nor outside of capture_dir', () => {
    assert.equal(isInPlace(name, { closed: [tree.at('capture/cam')] }), false)
    tree.folder('capture-2')
    assert.equal(isInPlace('capture-2/f.capture'), false)
  })

  test('has no place when its folder has gone', () => {
    assert.throws(() => isInPlace(join('capture', 'gone', 'f.capture')), { code: 'ENOENT' })
  })
})
