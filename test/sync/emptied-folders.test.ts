import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { BytePath } from '../../src/base/byte-path.ts'
import { EmptiedFolders } from '../../src/sync/emptied-folders.ts'
import { asOrdinaryUser, ordinaryUid } from '../scan/another-user.ts'
import { ScanTree } from '../scan/scan-tree.ts'
import { FakeClock } from '../support/fake-clock.ts'

const hourMs = 3_600_000

let tree: ScanTree
let clock: FakeClock
let captureDir: BytePath
let roots: BytePath[]
let emptied: EmptiedFolders
beforeEach(() => {
  tree = new ScanTree()
  clock = new FakeClock()
  // The file system has the real time.
  clock.setWall(Date.now())
  tree.folder('capture')
  captureDir = tree.at('capture')
  roots = []
  emptied = new EmptiedFolders({ clock, captureDir: () => captureDir, roots: () => roots })
})
afterEach(() => tree.remove())

const isThere = (name: string) => existsSync(join(tree.path, name))
/** An empty folder, out of which a file has been removed now. */
function empty(name: string): void {
  tree.folder(name)
  emptied.removedFrom(tree.at(name))
}
async function sweepFor(ms: number): Promise<BytePath[]> {
  const first = await emptied.sweep()
  clock.pass(ms)
  const second = await emptied.sweep()
  return [...first.removed, ...second.removed]
}

describe('a folder that Longshore has emptied', () => {
  test('goes when it has been empty for an hour, and not before', async () => {
    empty('capture/cam')
    assert.deepEqual(await sweepFor(hourMs - 1000), [])
    assert.equal(isThere('capture/cam'), true)
    clock.pass(2000)
    assert.deepEqual((await emptied.sweep()).removed, [tree.at('capture/cam')])
    assert.equal(isThere('capture/cam'), false)
  })

  test('takes the folders above along, each after an hour of its own, and never capture_dir', async () => {
    empty('capture/a/b/c')
    const removed: BytePath[] = []
    for (let n = 0; n < 8; n += 1) {
      // The mtime of the folder above is of now: the wall clock of the test must be ahead of it.
      clock.setWall(Date.now() + n * hourMs + 1000)
      removed.push(...(await sweepFor(hourMs)))
    }
    assert.deepEqual(
      removed,
      ['capture/a/b/c', 'capture/a/b', 'capture/a'].map((n) => tree.at(n)),
    )
    assert.equal(isThere('capture'), true)
  })

  test('stays when something has been in it meanwhile, though it is gone again', async () => {
    empty('capture/cam')
    await emptied.sweep()
    clock.pass(hourMs - 1000)
    const file = join(tree.path, 'capture/cam/x')
    writeFileSync(file, 'x')
    unlinkSync(file)
    clock.pass(2000)
    assert.deepEqual((await emptied.sweep()).removed, [])
    assert.deepEqual((await emptied.sweep()).removed, [])
    assert.equal(isThere('capture/cam'), true)
  })

  test('stays when only the wall clock says that an hour has passed', async () => {
    empty('capture/cam')
    await emptied.sweep()
    clock.setWall(Date.now() + 10 * hourMs)
    assert.deepEqual((await emptied.sweep()).removed, [])
    assert.equal(isThere('capture/cam'), true)
  })

  test('stays when its mtime is young, or lies in the future, on the wall clock', async () => {
    empty('capture/cam')
    await emptied.sweep()
    clock.pass(2 * hourMs)
    clock.setWall(Date.now() + 1000)
    assert.deepEqual((await emptied.sweep()).removed, [])
    clock.setWall(Date.now() - hourMs)
    assert.deepEqual((await emptied.sweep()).removed, [])
    assert.equal(isThere('capture/cam'), true)
  })

  test('invariant 1: stays with whatever is in it: a file, an empty one, a link, a folder', async () => {
    for (const name of ['file', 'nothing', 'link', 'folder']) empty(`capture/${name}`)
    await emptied.sweep()
    writeFileSync(join(tree.path, 'capture/file/x'), 'x')
    writeFileSync(join(tree.path, 'capture/nothing/.hidden'), '')
    symlinkSync('/nothing', join(tree.path, 'capture/link/x'))
    mkdirSync(join(tree.path, 'capture/folder/x'))
    for (const name of ['file', 'nothing', 'link', 'folder'])
      tree.age(join(tree.path, 'capture', name), 7200)
    assert.deepEqual(await sweepFor(2 * hourMs), [])
    for (const name of ['file/x', 'nothing/.hidden', 'folder/x'])
      assert.ok(isThere(`capture/${name}`))
  })

  test('invariant 1: is not another one that a link has put in its place, or in one above', async () => {
    empty('capture/a/b')
    tree.folder('elsewhere/b')
    await emptied.sweep()
    clock.pass(2 * hourMs)
    renameSync(join(tree.path, 'capture/a'), join(tree.path, 'moved'))
    symlinkSync(join(tree.path, 'elsewhere'), join(tree.path, 'capture/a'))
    await sweepFor(2 * hourMs)
    await sweepFor(2 * hourMs)
    assert.ok(isThere('elsewhere/b'))
  })

  test('is never capture_dir, a root, failed, a folder for datasets, or anything outside', async () => {
    roots = [tree.at('capture/root')]
    const names = [
      'capture',
      'capture/root',
      'capture/failed',
      'capture/failed/cam',
      'capture/x/failed',
      'capture/datasetUpload/y',
      'logs/z',
      'capture2',
    ]
    for (const name of names) empty(name)
    assert.deepEqual(await sweepFor(2 * hourMs), [])
    for (const name of names) assert.ok(isThere(name), name)
  })

  test('is not one on which a disk with a root is to be mounted', async () => {
    roots = [tree.at('capture/disk/data')]
    empty('capture/disk')
    assert.deepEqual(await sweepFor(2 * hourMs), [])
    assert.equal(isThere('capture/disk'), true)
  })

  test('is not one that Longshore has removed nothing from', async () => {
    tree.folder('capture/viam')
    empty('capture/cam')
    await sweepFor(2 * hourMs)
    assert.ok(isThere('capture/viam'))
  })

  test('is forgotten when somebody else has removed it', async () => {
    empty('capture/cam')
    await emptied.sweep()
    renameSync(join(tree.path, 'capture/cam'), join(tree.path, 'away'))
    assert.deepEqual(await emptied.sweep(), { removed: [], refused: [] })
  })

  test('is looked at once a sweep, however many files went, and 10,000 are remembered', async () => {
    for (let n = 0; n < 10_500; n += 1) emptied.removedFrom(tree.at(`capture/none/${n}`))
    empty('capture/beyond')
    assert.deepEqual(await sweepFor(2 * hourMs), [])
    assert.ok(isThere('capture/beyond'), 'it is only not tidied away')
    empty('capture/later')
    assert.deepEqual(await sweepFor(2 * hourMs), [tree.at('capture/later')])
  })

  test('is reported when the system refuses, and not tried again', () => {
    tree.folder('capture/cam')
    tree.age(join(tree.path, 'capture/cam'), 7200)
    chownSync(join(tree.path, 'capture/cam'), ordinaryUid, process.getegid!())
    chmodSync(join(tree.path, 'capture'), 0o555)
    const seen = asOrdinaryUser(`
      const { EmptiedFolders } = await src('sync/emptied-folders.ts')
      const capture = ${JSON.stringify(join(tree.path, 'capture'))}
      let nowMs = 0
      const clock = { monotonicMs: () => nowMs, wallMs: () => Date.now() }
      const emptied = new EmptiedFolders({ clock, captureDir: () => capture, roots: () => [] })
      emptied.removedFrom(capture + '/cam')
      const sweeps = []
      for (; nowMs < 4e6 * 4; nowMs += 4e6) sweeps.push((await emptied.sweep()).refused)
      console.log(JSON.stringify(sweeps))`)
    const path = join(tree.path, 'capture/cam')
    assert.deepEqual(seen, [[], [{ path, errno: 'EACCES' }], [], []])
    chmodSync(join(tree.path, 'capture'), 0o755)
  })
})
