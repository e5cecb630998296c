import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { mayBeWritten, needsWriterCheck } from '../../src/scan/writers-rule.ts'

const log = { path: bytePath('/d/a.log'), kind: 'arbitrary', device: 1n, inode: 2n } as const
const capture = { ...log, path: bytePath('/d/a.capture'), kind: 'capture' } as const
const orphan = { ...log, path: bytePath('/d/a.prog'), kind: 'capture' } as const

function writers(more: { has?: boolean; blindTo?: number; captureRuns?: boolean }) {
  const { has = false, blindTo = 0, captureRuns = false } = more
  const isIt = (device: bigint, inode: bigint) => has && device === 1n && inode === 2n
  return { open: { has: isIt, blindTo, takenAtMs: 0 }, captureRuns }
}

describe('invariant 1: a file may still be written to', () => {
  test('when a process has it open for writing', () => {
    assert.equal(mayBeWritten(log, writers({ has: true })), true)
    assert.equal(mayBeWritten(orphan, writers({ has: true })), true)
    assert.equal(mayBeWritten({ ...log, inode: 3n }, writers({ has: true })), false)
    assert.equal(mayBeWritten({ ...log, device: 3n }, writers({ has: true })), false)
  })

  test('but not when it is a capture file, which has its name since it is complete', () => {
    assert.equal(needsWriterCheck(capture), false)
    assert.equal(mayBeWritten(capture, writers({ has: true })), false)
  })

  test('when it is an orphaned .prog whose writer we may not be allowed to see', () => {
    assert.equal(needsWriterCheck(orphan), true)
    assert.equal(mayBeWritten(orphan, writers({ blindTo: 1, captureRuns: true })), true)
    assert.equal(mayBeWritten(orphan, writers({ blindTo: 1 })), false)
    assert.equal(mayBeWritten(orphan, writers({ captureRuns: true })), false)
    assert.equal(mayBeWritten(log, writers({ blindTo: 1, captureRuns: true })), false)
  })
})
