import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decideFailure, type FailureDecision } from '../../src/sync/failure-decision.ts'
import type { TransferFailureKind } from '../../src/wire/transfer-failure.ts'
import { refused } from '../support/fake-transport.ts'

const backOff: FailureDecision = {
  action: 'hold_all',
  waitMs: undefined,
  lasting: false,
  apart: false,
}
const quarterHour: FailureDecision = {
  action: 'hold_all',
  waitMs: 900_000,
  lasting: true,
  apart: false,
}
const suspect: FailureDecision = { action: 'suspect_files' }
const tooLarge: FailureDecision = { action: 'too_large' }

const byKind: Readonly<Record<Exclude<TransferFailureKind, 'refused'>, FailureDecision>> = {
  unreachable: backOff,
  connection_lost: backOff,
  stalled: backOff,
  not_trusted: quarterHour,
  certificate_not_yet_valid: quarterHour,
  certificate_expired: quarterHour,
  certificate_wrong_name: quarterHour,
  incompatible: quarterHour,
  stopped: { action: 'put_back' },
}

const byStatus: readonly [number, FailureDecision][] = [
  [400, suspect],
  [401, quarterHour],
  [403, quarterHour],
  [404, quarterHour],
  [405, quarterHour],
  [408, backOff],
  [409, backOff],
  [411, suspect],
  [413, tooLarge],
  [415, suspect],
  [418, backOff],
  [422, suspect],
  [429, backOff],
  [500, { ...backOff, apart: true }],
  [502, backOff],
  [503, backOff],
  [504, backOff],
  [507, backOff],
  [302, backOff],
]

describe('a failed request', () => {
  for (const [kind, decision] of Object.entries(byKind)) {
    test(`that was ${kind} leads to ${JSON.stringify(decision)}`, () => {
      const failure = { kind: kind as TransferFailureKind, detail: '' }
      assert.deepEqual(decideFailure(failure, false), decision)
    })
  }

  for (const [status, decision] of byStatus) {
    test(`that was refused with ${status} leads to ${JSON.stringify(decision)}`, () => {
      assert.deepEqual(decideFailure(refused(status), false), decision)
    })
  }

  test('that was refused without a status holds everything', () => {
    assert.deepEqual(decideFailure({ kind: 'refused', detail: '' }, false), backOff)
  })

  test('waits as long as the receiver asks for', () => {
    for (const status of [429, 503, 507]) {
      const failure = refused(status, { retryAfterMs: 7000 })
      assert.deepEqual(decideFailure(failure, false), { ...backOff, waitMs: 7000 })
    }
  })

  test('is not the fault of the files when one after the other is turned down', () => {
    for (const status of [400, 411, 415, 422]) {
      assert.deepEqual(decideFailure(refused(status), true), quarterHour)
    }
    assert.deepEqual(decideFailure(refused(413), true), tooLarge)
    assert.deepEqual(decideFailure(refused(503), true), backOff)
  })
})
