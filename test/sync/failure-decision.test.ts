import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  decideFailure,
  type FailureDecision,
  withoutDeviceFaults,
} from '../../src/sync/failure-decision.ts'
import type { FileResult } from '../../src/wire/thread-messages.ts'
import { connectionLost, refused, storedImaginary } from '../support/fake-transport.ts'
import { imaginary } from './candidates.ts'

const action = (status: number, problemCode?: string) =>
  decideFailure(refused(status, problemCode === undefined ? {} : { problemCode }), false).action

const certain: FailureDecision = {
  action: 'hold all, report',
  waitMs: undefined,
  isCertain: true,
}

describe('a refusal', () => {
  test('is judged by the receiver’s own problem document before its status', () => {
    assert.equal(action(400, 'bad_manifest'), 'quarantine')
    assert.equal(action(400, 'inconsistent_upload_length'), 'file later')
    assert.equal(action(500, 'storage_full'), 'hold all')
  })

  test('invariant 4: by somebody else has no file set aside, whatever its status', () => {
    for (let status = 100; status < 1000; status += 1) {
      for (const problemCode of [undefined, 'unknown', 'made_up', 'constructor', '__proto__']) {
        assert.notEqual(action(status, problemCode), 'quarantine', `${status} ${problemCode}`)
        assert.notEqual(action(status, problemCode), undefined, `${status} ${problemCode}`)
      }
    }
  })

  test('without a status, or with an odd one, holds everything', () => {
    const bare = decideFailure({ kind: 'refused', detail: '' }, false)
    assert.equal(bare.action, 'hold all, report')
    assert.equal(action(0), 'hold all, report')
    assert.equal(action(777), 'hold all, report')
  })

  test('waits as long as the receiver asks for, where everything waits', () => {
    for (const status of [408, 429, 500, 502, 503, 504, 507]) {
      const failure = refused(status, { retryAfterMs: 7000 })
      assert.equal(decideFailure(failure, false).waitMs, 7000, String(status))
    }
    const failure = refused(422, { retryAfterMs: 7000, problemCode: 'bad_manifest' })
    assert.equal(decideFailure(failure, false).waitMs, undefined)
  })

  test('is not the fault of the files when one after the other is turned down', () => {
    for (const failure of [
      refused(400),
      refused(403),
      refused(418),
      refused(422, { problemCode: 'bad_manifest' }),
    ]) {
      assert.deepEqual(decideFailure(failure, true), certain)
    }
  })

  test('for its size, or by a receiver that is away, stays what it is when files are turned down', () => {
    for (const failure of [
      refused(413),
      refused(413, { problemCode: 'too_large' }),
      refused(503),
      connectionLost,
    ]) {
      assert.deepEqual(decideFailure(failure, true), decideFailure(failure, false))
    }
  })
})

describe('a file that could not be read', () => {
  const file = imaginary('/data/a')
  const stored = storedImaginary(file)
  const unreadable = (errno: string): FileResult => ({ status: 'unreadable', errno })

  test('for want of descriptors or memory counts as not sent; the others are as they were', () => {
    for (const errno of ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS']) {
      const files = [stored, unreadable(errno), unreadable('EIO'), { status: 'gone' } as const]
      const result = withoutDeviceFaults({ files, failure: undefined })
      assert.deepEqual(result.files, [stored, { status: 'not_sent' }, ...files.slice(2)])
      assert.equal(result.failure?.kind, 'device_busy')
      assert.match(result.failure.detail, new RegExp(errno))
    }
  })

  test('for want of descriptors does not hide what became of the request', () => {
    const files = [unreadable('EMFILE'), { status: 'not_sent' } as const]
    const result = withoutDeviceFaults({ files, failure: connectionLost })
    assert.equal(result.failure, connectionLost)
  })

  test('for a fault of its own is the same as before', () => {
    const result = { files: [unreadable('EIO'), stored], failure: undefined }
    assert.equal(withoutDeviceFaults(result), result)
  })
})
