import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenBuckets } from '../../../src/receiver/server/token-buckets.ts'

function buckets(maxBuckets = 10) {
  const time = { nowMs: 5 }
  const made = new TokenBuckets({
    burst: 3,
    refillMs: 100,
    maxBuckets,
    monotonicMs: () => time.nowMs,
  })
  const takes = (key: string, times: number) =>
    Array.from({ length: times }, () => made.take(key)).filter(Boolean).length
  return { time, made, takes }
}

test('A bucket gives its burst, then one token in each interval, and never saves up more than its burst.', () => {
  const { time, takes } = buckets()
  assert.equal(takes('a', 10), 3)
  assert.equal(takes('b', 1), 1)
  time.nowMs += 99
  assert.equal(takes('a', 1), 0)
  time.nowMs += 1
  assert.equal(takes('a', 2), 1)
  time.nowMs += 250
  assert.equal(takes('a', 5), 2)
  time.nowMs += 50
  assert.equal(takes('a', 5), 1, 'half an interval was not lost')
  time.nowMs += 1_000_000
  assert.equal(takes('a', 10), 3)
})

test('invariant 9: of any number of keys only the last used are remembered.', () => {
  const { made, takes } = buckets(10)
  assert.equal(takes('victim', 5), 3)
  for (let key = 0; key < 100_000; key += 1) {
    made.take(`${key}`)
    if (key % 5 === 0) assert.equal(made.take('victim'), false)
  }
  assert.equal(made.size, 10)
  for (let key = 0; key < 10; key += 1) made.take(`other ${key}`)
  assert.equal(made.take('victim'), true, 'forgotten, so it begins afresh')
})
