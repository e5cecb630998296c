import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { FutureFiles } from '../../src/scan/future-files.ts'

const path = bytePath('/data/a.log')
const minuteMs = 60_000

describe('files from the future', () => {
  test('age on the monotonic clock from when they were first seen', () => {
    const files = new FutureFiles()
    assert.equal(files.unchangedForMs(path, 5n, 1, 1000), 0)
    assert.equal(files.unchangedForMs(path, 5n, 1, 4000), 3000)
    assert.equal(files.unchangedForMs(path, 5n, 1, 9000), 8000)
  })

  test('start afresh with another mtime, another size, and when they were forgotten', () => {
    const files = new FutureFiles()
    files.unchangedForMs(path, 5n, 1, 0)
    assert.equal(files.unchangedForMs(path, 6n, 1, 1000), 0)
    assert.equal(files.unchangedForMs(path, 6n, 2, 2000), 0)
    assert.equal(files.unchangedForMs(path, 6n, 2, 3000), 1000)
    files.forget(path)
    assert.equal(files.unchangedForMs(path, 6n, 2, 4000), 0)
  })

  const pathOf = (n: number) => bytePath(`/data/${n}`)
  const lookAtAll = (files: FutureFiles, count: number, nowMs: number) => {
    let quiet = 0
    for (let n = 0; n < count; n += 1) {
      if (files.unchangedForMs(pathOf(n), 1n, 1, nowMs) >= 10_000) quiet += 1
    }
    return quiet
  }

  test('all get their turn where there are more of them than are remembered', () => {
    const files = new FutureFiles()
    assert.equal(lookAtAll(files, 25_000, 0), 0)
    assert.equal(lookAtAll(files, 25_000, 10_000), 10_000)
    for (let n = 0; n < 10_000; n += 1) files.forget(pathOf(n))
    files.unchangedForMs(pathOf(24_999), 1n, 1, 20_000)
    assert.equal(files.unchangedForMs(pathOf(24_999), 1n, 1, 30_000), 10_000)
  })

  test('are remembered in a bounded number', () => {
    const files = new FutureFiles()
    lookAtAll(files, 30_000, 0)
    assert.equal(files.size, 10_000)
  })

  test('that are gone make room after a while', () => {
    const files = new FutureFiles()
    lookAtAll(files, 10_000, 0)
    const late = bytePath('/data/late')
    assert.equal(files.unchangedForMs(late, 1n, 1, 16 * minuteMs), 0)
    assert.equal(files.unchangedForMs(late, 1n, 1, 17 * minuteMs), minuteMs)
    assert.equal(files.size, 1)
  })
})
