import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { settlementOf } from '../../src/sync/settle.ts'
import type { Outcome, RejectReason } from '../../src/wire/outcome.ts'
import type { FileResult } from '../../src/wire/thread-messages.ts'

const digest = 'a'.repeat(64)
const identity = { device: 1n, inode: 2n, sizeBytes: 10, mtimeNs: 3n, ctimeNs: 4n }

function answer(outcome: Partial<Outcome>, own = digest): FileResult {
  const full: Outcome = { status: 'stored', sizeBytes: 10, digest, ...outcome }
  return { status: 'answered', outcome: full, digest: own, identity }
}

describe('invariant 1: the settlement of a file', () => {
  const statuses = ['stored', 'already_stored', 'rejected'] as const
  const digests = {
    equal: digest,
    other: 'b'.repeat(64),
    uppercase: 'A'.repeat(64),
    cut: 'a'.repeat(63),
  }
  const sizes = { equal: 10, larger: 11, smaller: 9, none: 0 }
  const reasons: readonly (RejectReason | undefined)[] = [
    undefined,
    'digest_mismatch',
    'name_not_allowed',
  ]
  for (const status of statuses) {
    for (const [digestIs, theirs] of Object.entries(digests)) {
      for (const [sizeIs, sizeBytes] of Object.entries(sizes)) {
        for (const reason of reasons) {
          const outcome = {
            status,
            digest: theirs,
            sizeBytes,
            ...(reason !== undefined && { reason }),
          }
          const action = settlementOf(answer(outcome))?.action
          const isStored = status !== 'rejected'
          const mayRemove = isStored && digestIs === 'equal' && sizeIs === 'equal'
          const expected = mayRemove
            ? 'remove'
            : !isStored && reason === 'name_not_allowed'
              ? 'quarantine'
              : 'retry'
          test(`that is ${status}, hash ${digestIs}, size ${sizeIs}, reason ${reason}: ${expected}`, () => {
            assert.equal(action, expected)
          })
        }
      }
    }
  }

  const unanswered: readonly [FileResult, string | undefined][] = [
    [{ status: 'not_sent' }, undefined],
    [{ status: 'changed' }, 'leave'],
    [{ status: 'gone' }, 'leave'],
    [{ status: 'unreadable', errno: 'EIO' }, 'retry'],
  ]
  for (const [result, action] of unanswered) {
    test(`that is ${result.status}: ${action}`, () => {
      assert.equal(settlementOf(result)?.action, action)
    })
  }

  test('never removes a file of which neither end has a hash', () => {
    for (const nothing of ['', 'undefined', '0']) {
      assert.equal(settlementOf(answer({ digest: nothing }, nothing))?.action, 'retry')
    }
    const missing = {
      ...answer({}),
      digest: undefined,
      outcome: { status: 'stored', sizeBytes: 10 },
    }
    assert.equal(settlementOf(missing as unknown as FileResult)?.action, 'retry')
  })

  test('hands on what was read, and whether it had been there before', () => {
    assert.deepEqual(settlementOf(answer({})), { action: 'remove', already: false, identity })
    const again = settlementOf(answer({ status: 'already_stored' }))
    assert.deepEqual(again, { action: 'remove', already: true, identity })
  })
})
