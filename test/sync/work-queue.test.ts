import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fifo } from '../../src/base/fifo.ts'
import type { Candidate } from '../../src/scan/candidate.ts'
import { WorkQueue } from '../../src/sync/work-queue.ts'
import { imaginaries, imaginary } from './candidates.ts'

const MiB = 1024 * 1024
const limits = { payloadBytes: MiB, files: 1024 }
const names = (files: readonly Candidate[]) => files.map(({ path }) => path)

describe('a fifo', () => {
  test('gives what it was given, in order, through any mix of both', () => {
    const fifo = new Fifo<number>()
    let pushed = 0
    let shifted = 0
    for (let step = 0; step < 50_000; step += 1) {
      // Grows, shrinks to nothing, and grows again.
      if (Math.floor(step / 5000) % 2 === 0 || fifo.length === 0) fifo.push(pushed++)
      else assert.equal(fifo.shift(), shifted++)
      assert.equal(fifo.length, pushed - shifted)
      assert.equal(fifo.peek(), fifo.length === 0 ? undefined : shifted)
    }
    assert.deepEqual(
      fifo.drain(),
      Array.from({ length: pushed - shifted }, (_, n) => shifted + n),
    )
    assert.equal(fifo.length, 0)
    assert.equal(fifo.shift(), undefined)
  })

  test('gives undefined when it is empty, and goes on afterwards', () => {
    const fifo = new Fifo<string>()
    assert.equal(fifo.shift(), undefined)
    assert.equal(fifo.peek(), undefined)
    fifo.push('a')
    assert.deepEqual([...fifo], ['a'])
    assert.equal(fifo.shift(), 'a')
    assert.deepEqual(fifo.drain(), [])
  })
})

describe('the queue of what waits', () => {
  test('bundles as many small files as fit, in their order', () => {
    const queue = new WorkQueue()
    const files = imaginaries(5, 400_000)
    queue.add(files)
    assert.deepEqual(names(queue.takeBundle(limits)), names(files.slice(0, 2)))
    assert.deepEqual(names(queue.takeBundle(limits)), names(files.slice(2, 4)))
    assert.deepEqual(names(queue.takeBundle(limits)), names(files.slice(4)))
    assert.equal(queue.hasBundle(), false)
  })

  test('bundles 1,024 files at most', () => {
    const queue = new WorkQueue()
    queue.add(imaginaries(1500, 1))
    assert.equal(queue.takeBundle(limits).length, 1024)
    assert.equal(queue.takeBundle(limits).length, 476)
  })

  test('gives at least one file, however small the bundle is to be', () => {
    const queue = new WorkQueue()
    queue.add(imaginaries(2, 500_000))
    assert.equal(queue.takeBundle({ payloadBytes: 16_384, files: 1024 }).length, 1)
  })

  test('has files of more than 1 MiB go alone', () => {
    const queue = new WorkQueue()
    queue.add([imaginary('/data/small', { sizeBytes: MiB })])
    assert.deepEqual([queue.hasBundle(), queue.hasSingle()], [true, false])
    queue.add([imaginary('/data/large', { sizeBytes: MiB + 1 })])
    assert.deepEqual([queue.hasBundle(), queue.hasSingle()], [true, true])
    assert.deepEqual(names(queue.takeSingle()), ['/data/large'])
    assert.deepEqual(names(queue.takeBundle(limits)), ['/data/small'])
  })

  test('gives the halves of a refused bundle first, as they are', () => {
    const queue = new WorkQueue()
    const [a, b, c, d, later] = imaginaries(5, 10) as [Candidate, ...Candidate[]]
    queue.add([later!])
    queue.addGroup([a, b!])
    queue.addGroup([c!, d!])
    assert.deepEqual(queue.takeBundle(limits), [a, b])
    assert.deepEqual(queue.takeBundle(limits), [c, d])
    assert.deepEqual(queue.takeBundle(limits), [later])
  })

  test('gives files that failed before one by one, in turns with all others', () => {
    const queue = new WorkQueue()
    const [a, b, c, d, e] = imaginaries(5, 10) as [Candidate, ...Candidate[]]
    for (const each of [a, b!, c!]) queue.addAlone(each)
    const one = { ...limits, files: 1 }
    queue.add([d!, e!])
    assert.equal(queue.files, 5)
    const order = Array.from({ length: 5 }, () => queue.takeBundle(one))
    assert.deepEqual(order, [[a], [d], [b], [e], [c]])
    assert.equal(queue.hasBundle(), false)
  })

  test('gives a large file that failed before as any other', () => {
    const queue = new WorkQueue()
    const large = imaginary('/data/l', { sizeBytes: 2 * MiB })
    queue.addAlone(large)
    assert.deepEqual([queue.hasBundle(), queue.hasSingle()], [false, true])
    assert.deepEqual(queue.takeSingle(), [large])
  })

  test('gives files against which nothing is known when these are to show whether the link works', () => {
    const queue = new WorkQueue()
    const [half, failed, good] = imaginaries(3, 10) as [Candidate, ...Candidate[]]
    queue.addGroup([half])
    queue.addAlone(failed!)
    queue.add([good!])
    assert.deepEqual(queue.takeBundle(limits, true), [good])
    assert.deepEqual(queue.takeBundle(limits, true), [half])
    assert.deepEqual(queue.takeBundle(limits, true), [failed])
  })

  test('counts files and bytes of all kinds', () => {
    const queue = new WorkQueue()
    queue.add([...imaginaries(3, 10), imaginary('/data/l', { sizeBytes: 2 * MiB })])
    queue.addGroup(imaginaries(2, 5))
    queue.addAlone(imaginary('/data/failed', { sizeBytes: 7 }))
    assert.deepEqual([queue.files, queue.bytes], [7, 30 + 2 * MiB + 10 + 7])
    queue.takeBundle(limits)
    queue.takeSingle()
    assert.deepEqual([queue.files, queue.bytes], [4, 37])
    assert.equal(queue.clear().length, 4)
    assert.deepEqual([queue.files, queue.bytes], [0, 0])
    assert.deepEqual([queue.hasBundle(), queue.hasSingle()], [false, false])
  })
})
