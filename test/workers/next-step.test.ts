import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TransferFailure } from '../../src/wire/transfer-failure.ts'
import type { LaneAnswer } from '../../workers/lane.ts'
import { isFinal, type NextStep, nextStep, type Step } from '../../workers/next-step.ts'
import { uploadFieldsOf } from '../../workers/upload-fields.ts'

const messageBytes = 1000
const post: Step = { method: 'POST' }
const head: Step = { method: 'HEAD' }
const get: Step = { method: 'GET' }
const patch: Step = { method: 'PATCH', fromByte: 10 }
const steps = [post, head, get, patch]

function answer(status: 200 | 204, complete?: boolean, offset?: number): LaneAnswer {
  return { status, upload: { complete, offset }, contentType: '', body: Buffer.alloc(0) }
}

function refused(status: number, more: Partial<TransferFailure> = {}): TransferFailure {
  return { kind: 'refused', detail: '', status, ...more }
}

function next(step: Step, reply: LaneAnswer | TransferFailure): NextStep {
  return nextStep(step, reply, messageBytes)
}

function kindOf(step: NextStep): string | undefined {
  return 'failure' in step ? step.failure.kind : undefined
}

describe('after a request about an upload', () => {
  test('an answer of 200 is the outcome, of whatever brought it, but not of a HEAD', () => {
    const outcome = answer(200, true)
    for (const step of [post, patch, get])
      assert.deepEqual(next(step, outcome), { answer: outcome })
    assert.deepEqual(next(head, outcome), get)
    assert.equal(kindOf(next(head, answer(200))), 'answer_unreadable')
  })

  test('what is unfinished goes on where the receiver says', () => {
    for (const step of steps) {
      assert.deepEqual(next(step, answer(204, false, 77)), { method: 'PATCH', fromByte: 77 })
      const elsewhere = refused(409, { uploadOffset: 0 })
      assert.deepEqual(next(step, elsewhere), { method: 'PATCH', fromByte: 0 })
    }
    const whole = answer(204, false, messageBytes)
    assert.deepEqual(next(head, whole), { method: 'PATCH', fromByte: messageBytes })
  })

  test('what is complete is asked for its outcome, once', () => {
    for (const step of [post, patch, head]) {
      assert.deepEqual(next(step, answer(204, true, messageBytes)), get)
      assert.deepEqual(next(step, refused(409, { problemCode: 'completed_upload' })), get)
    }
    assert.equal(kindOf(next(get, answer(204, true, messageBytes))), 'answer_unreadable')
    assert.equal(kindOf(next(get, refused(409, { problemCode: 'completed_upload' }))), 'refused')
  })

  test('what the receiver does not know is sent from its beginning', () => {
    for (const step of [head, get, patch]) assert.deepEqual(next(step, refused(404)), post)
    assert.equal(kindOf(next(post, refused(404))), 'refused')
  })

  test('an offset behind the end of the message makes no sense, nor does none', () => {
    for (const step of steps) {
      const beyond = messageBytes + 1
      assert.equal(kindOf(next(step, answer(204, false, beyond))), 'answer_unreadable')
      const claim = refused(409, { uploadOffset: beyond })
      assert.equal(kindOf(next(step, claim)), 'answer_unreadable')
      assert.equal(kindOf(next(step, answer(204, false))), 'answer_unreadable')
      assert.equal(kindOf(next(step, answer(204, undefined, 5))), 'answer_unreadable')
      assert.equal(kindOf(next(step, refused(409))), 'refused')
    }
  })

  test('anything else is reported as it is', () => {
    for (const step of steps) {
      for (const failure of [
        refused(503, { retryAfterMs: 1000 }),
        refused(400, { problemCode: 'inconsistent_upload_length', uploadOffset: 3 }),
        { kind: 'connection_lost', detail: 'it broke' } as const,
      ]) {
        assert.deepEqual(next(step, failure), { failure })
      }
    }
  })

  test('no two requests without a body follow each other for ever', () => {
    const replies = [
      ...([200, 204] as const).flatMap((status) =>
        [true, false, undefined].flatMap((complete) =>
          [0, 1000, 1001, undefined].map((offset) => answer(status, complete, offset)),
        ),
      ),
      ...[400, 404, 409, 500].flatMap((status) => [
        refused(status),
        refused(status, { uploadOffset: 0 }),
        refused(status, { problemCode: 'completed_upload' }),
      ]),
    ]
    for (const reply of replies) {
      const second = next(head, reply)
      if (!('method' in second) || second.method !== 'GET') continue
      for (const other of replies) {
        const third = next(second, other)
        assert.ok(!('method' in third) || third.method === 'POST' || third.method === 'PATCH')
      }
    }
    for (const step of steps) {
      for (const reply of replies) assert.notDeepEqual(next(step, reply), head)
    }
  })
})

test('only what was turned down for itself is begun anew', () => {
  for (const status of [400, 411, 413, 415, 422]) assert.ok(isFinal(refused(status)), `${status}`)
  for (const status of [401, 403, 404, 409, 429, 500, 503, 507]) {
    assert.ok(!isFinal(refused(status)), `${status}`)
  }
  assert.ok(!isFinal({ kind: 'connection_lost', detail: '' }))
  assert.ok(!isFinal({ kind: 'stopped', detail: '' }))
})

test('fields of an upload that are not what they should be count as missing', () => {
  const fields = (offset?: string | string[], complete?: string) =>
    uploadFieldsOf({ 'upload-offset': offset, 'upload-complete': complete })
  assert.deepEqual(fields('0', '?0'), { offset: 0, complete: false })
  assert.deepEqual(fields('999999999999999;a=1', '?1 ; b'), {
    offset: 999_999_999_999_999,
    complete: true,
  })
  const none = { offset: undefined, complete: undefined }
  for (const offset of ['-1', '1.5', '1e3', '0x10', '', ' ', '"5"', '1000000000000000', '5, 6']) {
    assert.deepEqual(fields(offset, 'true'), none, offset)
  }
  assert.deepEqual(fields(['1', '2'], '1'), none)
  assert.deepEqual(fields(undefined, undefined), none)
})
