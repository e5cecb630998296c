import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LinkMeter } from '../../src/sync/link-meter.ts'

const MiB = 1024 * 1024

describe('the size of bundles', () => {
  test('is moderate until the link has been measured', () => {
    assert.deepEqual(new LinkMeter().bundleLimits(4), { payloadBytes: 256 * 1024, files: 1024 })
  })

  test('is what the link takes in five seconds, shared by the uploads', () => {
    const meter = new LinkMeter()
    meter.measured(100_000, 1000, 1)
    assert.equal(meter.bundleLimits(1).payloadBytes, 500_000)
    assert.equal(meter.bundleLimits(5).payloadBytes, 100_000)
  })

  test('counts an upload that shared the link for what all of them got', () => {
    const meter = new LinkMeter()
    meter.measured(25_000, 1000, 4)
    assert.equal(meter.bundleLimits(1).payloadBytes, 500_000)
  })

  test('is 1 MiB at most and 16 KiB at least', () => {
    const fast = new LinkMeter()
    fast.measured(100 * MiB, 0, 1)
    assert.equal(fast.bundleLimits(1).payloadBytes, MiB)
    const slow = new LinkMeter()
    slow.measured(1, 60_000, 1)
    assert.equal(slow.bundleLimits(64).payloadBytes, 16 * 1024)
  })

  test('follows a link that changes', () => {
    const meter = new LinkMeter()
    meter.measured(10 * MiB, 1000, 1)
    for (let n = 0; n < 30; n += 1) meter.measured(10_000, 1000, 1)
    assert.ok(meter.bundleLimits(1).payloadBytes < 60_000)
  })
})
