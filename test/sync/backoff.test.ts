import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { backoffMs } from '../../src/sync/backoff.ts'

const times = { firstMs: 1000, capMs: 60_000 }

describe('backing off', () => {
  test('doubles its ceiling with each failure, up to its cap', () => {
    const ceilings = [1, 2, 3, 4, 7, 8, 100, 1e9].map((n) => backoffMs(n, times, 1))
    assert.deepEqual(ceilings, [1000, 2000, 4000, 8000, 60_000, 60_000, 60_000, 60_000])
  })

  test('takes any time up to the ceiling, so that many do not come back together', () => {
    assert.equal(backoffMs(4, times, 0.5), 4000)
    assert.equal(backoffMs(10, times, 0.25), 15_000)
  })

  test('never ends at once', () => {
    for (const failures of [1, 5, 50]) assert.equal(backoffMs(failures, times, 0), 250)
  })
})
