import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { bytesToFree, diskUsageOf, usedFraction } from '../../src/room/disk-usage.ts'

const usage = (usedBytes: number, availableBytes: number, keptForRootBytes = 0) => ({
  sizeBytes: usedBytes + availableBytes + keptForRootBytes,
  usedBytes,
  availableBytes,
})

describe('how full a file system is', () => {
  test('is what df says of it', () => {
    const lines = execFileSync('df', ['-B1', '--output=size,used', '/dev/shm'], {
      encoding: 'utf8',
    })
    const [size, used] = lines.trim().split('\n')[1]!.trim().split(/\s+/).map(Number)
    const found = diskUsageOf(bytePath('/dev/shm'))
    assert.equal(found.sizeBytes, size)
    // Others write there while this runs.
    assert.ok(Math.abs(found.usedBytes - used!) < size! / 10, `${found.usedBytes} and ${used}`)
    assert.ok(found.availableBytes > 0 && found.availableBytes <= size!)
  })

  test('leaves out what is kept for root: nothing left for others is full', () => {
    assert.equal(usedFraction(usage(95, 0, 5)), 1)
    assert.equal(usedFraction(usage(90, 5, 5)), 90 / 95)
  })

  test('of a folder that does not exist is the error of the system', () => {
    assert.throws(() => diskUsageOf(bytePath('/nothing/here')), { code: 'ENOENT' })
  })
})

describe('what must go', () => {
  test('is nothing below the threshold, and something from the threshold on', () => {
    assert.equal(bytesToFree(usage(899_999, 100_001), 0.9), 0)
    assert.equal(bytesToFree(usage(900_000, 100_000), 0.9), 1)
    assert.equal(bytesToFree(usage(950_000, 50_000), 0.9), 50_001)
  })

  test('brings the disk below the threshold, whatever its numbers', () => {
    for (const threshold of [1e-9, 0.1, 0.333, 0.5, 0.9, 0.95, 0.999]) {
      for (const used of [1, 999, 123_456_789, 60e9, 7.9e15]) {
        const before = usage(used, used / 1000)
        const needed = bytesToFree(before, threshold)
        const after = usage(before.usedBytes - needed, before.availableBytes + needed)
        assert.equal(bytesToFree(after, threshold), 0, `${used} at ${threshold}`)
      }
    }
  })

  test('with a threshold of 1 is something only when the disk is full to the last byte', () => {
    assert.equal(bytesToFree(usage(999_999, 1), 1), 0)
    assert.equal(bytesToFree(usage(1_000_000, 0), 1), 1)
  })

  test('is nothing by numbers that make no sense', () => {
    assert.equal(bytesToFree(usage(100, 0), Number.NaN), 0)
    assert.equal(bytesToFree(usage(0, 0), 0.9), 0)
    assert.equal(bytesToFree(usage(0, 0), 0), 0)
    assert.equal(bytesToFree(usage(Number.NaN, 10), 0.5), 0)
    assert.equal(bytesToFree(usage(100, 0), 1.1), 0)
  })
})
