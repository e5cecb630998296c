import assert from 'node:assert/strict'
import { linkSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { receiverDataMarker } from '../../src/base/receiver-data-marker.ts'
import { type CaptureWalkOptions, walkCaptureDir } from '../../src/room/capture-walk.ts'
import { ScanTree } from '../scan/scan-tree.ts'
import { FakeClock } from '../support/fake-clock.ts'

let tree: ScanTree
beforeEach(() => {
  tree = new ScanTree()
})
afterEach(() => tree.remove())

async function walk(options: Partial<CaptureWalkOptions> = {}) {
  const found = await walkCaptureDir({
    captureDir: tree.at('capture'),
    closed: [],
    clock: systemClock,
    isWanted: () => true,
    limit: 1000,
    isStopped: () => false,
    ...options,
  })
  const names = found.oldest.map(({ path }) => path.slice(tree.path.length + '/capture/'.length))
  assert.equal(tree.openDescriptors(), 0)
  return { ...found, names }
}

describe('a walk through capture_dir', () => {
  test('finds the oldest capture files, whatever folders they are in', async () => {
    for (let n = 0; n < 30; n += 1) tree.file(`capture/cam${n % 4}/deep/${n}.capture`, 'x', 100 + n)
    const { names, isCutShort } = await walk({ limit: 3 })
    assert.deepEqual(names, [
      'cam1/deep/29.capture',
      'cam0/deep/28.capture',
      'cam3/deep/27.capture',
    ])
    assert.equal(isCutShort, true)
    assert.equal((await walk({ limit: 30 })).isCutShort, false)
  })

  test('tells each file’s age and when it became ready, which nobody can set back', async () => {
    tree.file('capture/a.capture', 'x', 1e6)
    const { mtimeMs, ctimeMs } = statSync(join(tree.path, 'capture/a.capture'))
    const told: unknown[] = []
    await walk({ isWanted: (file, readyAtMs) => told.push(file.mtimeMs, readyAtMs) > 0 })
    assert.deepEqual(told, [mtimeMs, ctimeMs])
    assert.ok(ctimeMs - mtimeMs > 1e8)
    assert.deepEqual((await walk({ isWanted: () => false })).names, [])
  })

  test('invariant 1: passes over everything that is not a finished capture file by its name', async () => {
    for (const name of [
      'a.prog',
      'a.capture.bak',
      'a.CAPTURE',
      'acapture',
      '.nfs0001.capture-wal',
      'a.log',
    ]) {
      tree.file(`capture/${name}`)
    }
    tree.file('capture/empty.capture', '')
    tree.file('capture/.nfs0001.capture')
    linkSync(tree.file('capture/two.capture') as string, join(tree.path, 'capture/names.capture'))
    tree.folder('capture/folder.capture')
    assert.deepEqual((await walk()).names, [])
  })

  test('invariant 1: leaves set aside what is set aside, and closed what is closed', async () => {
    tree.file('capture/failed/a.capture')
    tree.file('capture/failed/cam/deep/b.capture')
    tree.file('capture/cam/failed/c.capture')
    tree.file('capture/datasetUpload/d.capture')
    tree.file('capture/closed/e.capture')
    tree.file('capture/received/f.capture')
    tree.file(`capture/received/${receiverDataMarker}`)
    tree.file('capture/mounted/g.capture')
    tree.file('capture/failed.capture')
    tree.file('capture/failed2/h.capture')
    const { names } = await walk({
      closed: [tree.at('capture/closed')],
      mountPoints: () => new Set([tree.at('capture/mounted')]),
    })
    assert.deepEqual(names.sort(), ['failed.capture', 'failed2/h.capture'])
  })

  test('invariant 1: follows no link out of capture_dir', async () => {
    tree.file('elsewhere/precious.capture')
    tree.folder('capture')
    symlinkSync(join(tree.path, 'elsewhere'), join(tree.path, 'capture/link'))
    symlinkSync('../elsewhere/precious.capture', join(tree.path, 'capture/link.capture'))
    symlinkSync('.', join(tree.path, 'capture/loop'))
    const { names, occupiedBytes } = await walk()
    assert.deepEqual([names, occupiedBytes], [[], 0])
  })

  test('finds capture_dir in a folder that is itself called failed', async () => {
    tree.file('capture/failed/capture/a.capture')
    const { oldest } = await walk({ captureDir: tree.at('capture/failed/capture') })
    assert.equal(oldest.length, 1)
  })

  test('measures what everything in it takes up, once for a file with two names', async () => {
    const kib = (size: number) => Buffer.alloc(size * 1024, 1)
    tree.file('capture/a.capture', kib(64))
    tree.file('capture/b.prog', kib(32))
    tree.file('capture/failed/c.capture', kib(16))
    const twice = tree.file('capture/d.log', kib(8)) as string
    assert.equal((await walk()).occupiedBytes, 120 * 1024)
    linkSync(twice, join(tree.path, 'capture/e.log'))
    assert.equal((await walk()).occupiedBytes, 120 * 1024)
    linkSync(twice, join(tree.path, 'outside'))
    assert.ok((await walk()).occupiedBytes < 120 * 1024)
  })

  test('finds nothing where there is nothing', async () => {
    const { occupiedBytes, names } = await walk({ captureDir: tree.at('missing') })
    assert.deepEqual([occupiedBytes, names], [0, []])
    tree.file('capture')
    assert.deepEqual((await walk()).names, [])
  })

  test('invariant 7: rests after each slice, and ends there when it is told to', async () => {
    for (let n = 0; n < 50; n += 1) tree.file(`capture/${n}.capture`)
    const clock = new FakeClock()
    let seen = 0
    let isStopped = false
    const isWanted = () => {
      seen += 1
      clock.pass(5)
      return true
    }
    const walking = walk({ clock, isWanted, isStopped: () => isStopped })
    await clock.advance(0)
    assert.deepEqual([seen, clock.sleepsMs], [2, [190]])
    await clock.advance(190)
    assert.equal(seen, 4)
    isStopped = true
    // The clock of the test has gone on while files were looked at.
    await clock.advance(200)
    await walking
    assert.equal(seen, 4)
  })
})
