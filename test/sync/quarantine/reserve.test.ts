import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { giveBack, isStillReserved, reserve } from '../../../src/sync/quarantine/reserve.ts'
import { ScanTree } from '../../scan/scan-tree.ts'

let tree: ScanTree
beforeEach(() => {
  tree = new ScanTree()
})
afterEach(() => tree.remove())

describe('a name that is reserved', () => {
  test('is taken, for everybody, until it is given back', () => {
    const inode = reserve(tree.at('a'))
    assert.ok(inode !== undefined)
    assert.equal(reserve(tree.at('a')), undefined)
    assert.equal(isStillReserved(tree.at('a'), inode), true)
    giveBack(tree.at('a'), inode)
    assert.equal(existsSync(join(tree.path, 'a')), false)
  })

  test('invariant 1: is not given back when a move was done that was reported as failed', () => {
    const inode = reserve(tree.at('a'))!
    tree.file('moved', 'content')
    renameSync(join(tree.path, 'moved'), join(tree.path, 'a'))
    giveBack(tree.at('a'), inode)
    assert.equal(readFileSync(join(tree.path, 'a'), 'utf8'), 'content')
  })

  test('invariant 1: is not given back, nor still free, when somebody has written to it', () => {
    const inode = reserve(tree.at('a'))!
    tree.file('a', 'content')
    assert.equal(isStillReserved(tree.at('a'), inode), false)
    giveBack(tree.at('a'), inode)
    assert.equal(readFileSync(join(tree.path, 'a'), 'utf8'), 'content')
  })

  test('may be gone when it is given back', () => {
    giveBack(tree.at('a'), 1n)
    assert.equal(existsSync(join(tree.path, 'a')), false)
  })
})
