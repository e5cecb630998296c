import assert from 'node:assert/strict'
import { totalmem } from 'node:os'
import { test } from 'node:test'
import { availableMemoryBytes } from '../../src/receiver/available-memory.ts'

test('invariant 7: limits that are a share of the memory are a share of memory that exists.', () => {
  const bytes = availableMemoryBytes()
  assert.ok(bytes > 16 * 1024 * 1024 && bytes <= totalmem(), `${bytes}`)
})
