import assert from 'node:assert/strict'
import { lstatSync } from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type BytePath, bytePath, joinPath } from '../../src/base/byte-path.ts'
import { FolderCursor } from '../../src/scan/folder-cursor.ts'
import { type PendingFolder, WalkQueue } from '../../src/scan/walk-queue.ts'
import { ScanTree } from './scan-tree.ts'

let tree: ScanTree
beforeEach(() => {
  tree = new ScanTree()
})
afterEach(() => tree.remove())

/** An open folder of a tree that exists in the test only: what it leads to is an empty one. */
function open({ root }: PendingFolder): FolderCursor {
  const stats = lstatSync(tree.path, { bigint: true })
  const stamp = { mtimeNs: 0n, ctimeNs: 0n, wallMs: 0 }
  return FolderCursor.open(bytePath(tree.path), root, stats, stamp)
}

const rootA = bytePath('/a')
const rootB = bytePath('/b')

describe('the queue of a walk', () => {
  test('gives the roots in their order', () => {
    const queue = new WalkQueue([rootA, rootB])
    assert.deepEqual(queue.next(), { path: rootA, root: rootA })
    assert.deepEqual(queue.next(), { path: rootB, root: rootB })
    assert.equal(queue.next(), undefined)
  })

  test('gives a folder of each root in turn', () => {
    const queue = new WalkQueue([rootA, rootB])
    queue.next()
    for (let n = 0; n < 3; n += 1) queue.add({ path: joinPath(rootA, `${n}`), root: rootA })
    const order: BytePath[] = []
    for (let next = queue.next(); next !== undefined; next = queue.next()) order.push(next.path)
    assert.deepEqual(order, ['/b', '/a/2', '/a/1', '/a/0'])
  })

  test('reads open folders in turn once there are enough of them', () => {
    const queue = new WalkQueue([rootA])
    queue.next()
    for (let n = 0; n < 20; n += 1) queue.add({ path: joinPath(rootA, `${n}`), root: rootA })
    const cursors: FolderCursor[] = []
    for (let n = 0; n < 16; n += 1) {
      const cursor = open(queue.next() as PendingFolder)
      cursors.push(cursor)
      queue.keepOpen(cursor)
    }
    for (const cursor of cursors) {
      assert.equal(queue.next(), cursor)
      queue.keepOpen(cursor)
    }
    assert.equal(queue.next(), cursors[0])
    cursors[0]!.close()
    assert.deepEqual(queue.next(), { path: '/a/3', root: rootA })
    queue.closeAll()
    assert.equal(tree.openDescriptors(), 0)
  })

  /**
   * Walks a tree of which every folder has `width` folders down to `depth`, and more entries than are
   * read in one go; at most `steps` of it. Returns the most that were open and known at once.
   */
  function walk(roots: readonly BytePath[], width: number, depth: number, steps: number) {
    const queue = new WalkQueue(roots)
    const depths = new Map<PendingFolder | FolderCursor, { level: number; read: number }>()
    let open_ = 0
    let mostOpen = 0
    let mostKnown = 0
    let visited = 0
    for (; visited < steps; visited += 1) {
      const next = queue.next()
      if (next === undefined) break
      const state = depths.get(next) ?? { level: 0, read: 0 }
      depths.delete(next)
      let cursor: FolderCursor
      if (next instanceof FolderCursor) cursor = next
      else {
        cursor = open(next)
        open_ += 1
      }
      mostOpen = Math.max(mostOpen, open_)
      const batch = state.level < depth ? Math.min(1024, width - state.read) : 0
      for (let n = 0; n < batch; n += 1) {
        const folder = { path: bytePath('/x'), root: cursor.root }
        depths.set(folder, { level: state.level + 1, read: 0 })
        queue.add(folder)
      }
      // Folders without folders in them have files for a second batch.
      const isLeaf = state.level === depth
      const read = isLeaf ? state.read + 1 : state.read + batch
      if (isLeaf ? read < 2 : read < width) {
        depths.set(cursor, { level: state.level, read })
        queue.keepOpen(cursor)
      } else {
        cursor.close()
        open_ -= 1
      }
      mostKnown = Math.max(mostKnown, queue.size)
    }
    queue.closeAll()
    return { mostOpen, mostKnown, visited }
  }

  test('invariant 7: opens few folders of a tree that is very wide', () => {
    const { mostOpen, mostKnown, visited } = walk([rootA], 12_000, 1, 1e6)
    assert.ok(visited > 24_000, 'it was walked to its end')
    assert.ok(mostOpen <= 18, `${mostOpen} were open`)
    assert.ok(mostKnown < 8192 + 2048, `${mostKnown} were known`)
  })

  test('invariant 7: knows few folders of a tree that is wide at every level', () => {
    const { mostOpen, mostKnown } = walk([rootA], 20_000, 4, 60_000)
    assert.ok(mostOpen <= 16 + 5, `${mostOpen} were open`)
    assert.ok(mostKnown < 8192 + 6 * 1024, `${mostKnown} were known`)
  })

  test('invariant 7: stays as small with many roots', () => {
    const roots = Array.from({ length: 50 }, (_, n) => bytePath(`/root${n}`))
    const { mostOpen, mostKnown } = walk(roots, 3000, 2, 60_000)
    assert.ok(mostOpen <= 16 + 4, `${mostOpen} were open`)
    assert.ok(mostKnown < 2 * 8192 + 50 * 1024, `${mostKnown} were known`)
  })

  test('closes what is open wherever it is', () => {
    walk([rootA], 12_000, 1, 9000)
    walk([rootA], 20_000, 4, 5000)
    assert.equal(tree.openDescriptors(), 0)
  })
})
