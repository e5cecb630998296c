import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogLimiter } from '../../../src/receiver/server/log-limiter.ts'

test('One line a second is let through, with the number of those before it that were not.', () => {
  let nowMs = 50
  const limiter = new LogLimiter(() => nowMs)
  assert.equal(limiter.admit(), 0)
  for (let line = 0; line < 5; line += 1) assert.equal(limiter.admit(), undefined)
  nowMs += 999
  assert.equal(limiter.admit(), undefined)
  nowMs += 1
  assert.equal(limiter.admit(), 6)
  nowMs += 1000
  assert.equal(limiter.admit(), 0)
})
