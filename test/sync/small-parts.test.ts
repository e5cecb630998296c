import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { Alarm } from '../../src/sync/alarm.ts'
import { whyGateIsShut } from '../../src/sync/gate.ts'
import { LinkReports } from '../../src/sync/link-reports.ts'
import { OwedRemovals } from '../../src/sync/owed-removals.ts'
import { Refusals } from '../../src/sync/refusals.ts'
import { ReportOnce } from '../../src/sync/report-once.ts'
import { SyncStats } from '../../src/sync/sync-stats.ts'
import { heldText, summaryOf } from '../../src/sync/sync-summary.ts'
import { transferError } from '../../src/sync/transfer-error.ts'
import { leastBusy } from '../../src/sync/upload-pool.ts'
import type { TransferFailureKind } from '../../src/wire/transfer-failure.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { connectionLost, refused } from '../support/fake-transport.ts'
import { imaginaries, imaginary } from './candidates.ts'
import { TestLog } from './test-log.ts'

describe('the least busy thread', () => {
  const usage = (...usages: number[]) => usages.map((currentUsage) => ({ currentUsage }))

  test('is an idle one, if there is', () => {
    const workers = usage(2, 0, 1)
    assert.equal(leastBusy(workers, 3, 4), workers[1])
  })

  test('is none while another may be started and none is idle', () => {
    assert.equal(leastBusy(usage(1, 1), 3, 4), null)
    assert.equal(leastBusy([], 3, 4), null)
  })

  test('is the one with the fewest uploads when no other may be started', () => {
    const workers = usage(3, 2, 3)
    assert.equal(leastBusy(workers, 3, 4), workers[1])
  })

  test('is none when all are full', () => {
    assert.equal(leastBusy(usage(4, 4, 4), 3, 4), null)
    assert.equal(leastBusy(usage(1), 1, 1), null)
  })
})

describe('the gate of the config', () => {
  test('is open unless the config says otherwise', () => {
    const open = { syncDisabled: false, selectiveSyncerName: undefined }
    assert.equal(whyGateIsShut(open), undefined)
    assert.match(whyGateIsShut({ ...open, syncDisabled: true })!, /paused/)
    assert.match(whyGateIsShut({ ...open, selectiveSyncerName: 'on-wifi' })!, /"on-wifi"/)
  })
})

describe('refusals', () => {
  test('concern everything once nine files in a row were turned down', () => {
    const refusals = new Refusals()
    for (let n = 0; n < 8; n += 1) refusals.blame(imaginary(`/data/${n}`))
    assert.equal(refusals.concernEverything, false)
    refusals.blame(imaginary('/data/8'))
    assert.equal(refusals.concernEverything, true)
  })

  test('of one file over and over concern that file', () => {
    const refusals = new Refusals()
    for (let n = 0; n < 100; n += 1) refusals.blame(imaginary('/data/poison'))
    assert.equal(refusals.concernEverything, false)
  })

  test('concern single files again once an upload went through', () => {
    const refusals = new Refusals()
    for (let n = 0; n < 20; n += 1) refusals.blame(imaginary(`/data/${n}`))
    refusals.clear()
    assert.equal(refusals.concernEverything, false)
  })

  test('of one file are counted, also while others go through; the count is bounded', () => {
    const refusals = new Refusals()
    const file = imaginary('/data/poison')
    assert.deepEqual([refusals.count(file), refusals.count(file)], [1, 2])
    refusals.clear()
    assert.equal(refusals.count(file), 3)
    assert.equal(refusals.count({ ...file, sizeBytes: 7 }), 1, 'it has changed')
    refusals.forget(file.path)
    assert.equal(refusals.count(file), 1)
    for (const other of imaginaries(10_000, 1)) refusals.count(other)
    assert.equal(refusals.count(file), 1)
  })
})

describe('owed removals', () => {
  const file = imaginary('/data/a')
  const { device, inode, sizeBytes, mtimeNs } = file
  const identity = { device, inode, sizeBytes, mtimeNs, ctimeNs: 9n }

  test('are known by path and by what the scan sees', () => {
    const owed = new OwedRemovals()
    owed.add(file.path, identity)
    assert.equal(owed.of(file), identity)
    for (const other of [{ device: 99n }, { inode: 99n }, { sizeBytes: 99 }, { mtimeNs: 99n }]) {
      assert.equal(owed.of({ ...file, ...other }), undefined, JSON.stringify(Object.keys(other)))
    }
    assert.equal(owed.of({ ...file, path: bytePath('/data/b') }), undefined)
    owed.forget(file.path)
    assert.equal(owed.of(file), undefined)
  })

  test('are a bounded number', () => {
    const owed = new OwedRemovals()
    const files = imaginaries(10_001, sizeBytes)
    for (const each of files) owed.add(each.path, { ...identity, inode: each.inode })
    assert.equal(owed.size, 10_000)
    assert.equal(owed.of(files[0]!), undefined)
    assert.notEqual(owed.of(files[10_000]!), undefined)
  })
})

describe('an alarm', () => {
  test('rings once, at the earliest time it was set to', async () => {
    const clock = new FakeClock()
    let rung = 0
    const alarm = new Alarm(clock, () => {
      rung += 1
    })
    const nowMs = clock.monotonicMs()
    alarm.setTo(nowMs + 900_000)
    alarm.setTo(nowMs + 500)
    alarm.setTo(nowMs + 1000)
    assert.deepEqual(clock.sleepsMs, [500])
    await clock.advance(499)
    assert.equal(rung, 0)
    await clock.advance(1)
    assert.equal(rung, 1)
    await clock.advance(1_000_000)
    assert.equal(rung, 1)
  })

  test('can be set again after it has rung', async () => {
    const clock = new FakeClock()
    let rung = 0
    const alarm = new Alarm(clock, () => {
      rung += 1
    })
    for (let n = 0; n < 3; n += 1) {
      alarm.setTo(clock.monotonicMs() + 10)
      await clock.advance(10)
    }
    assert.equal(rung, 3)
  })

  test('that is cancelled does not ring and leaves no timer', async () => {
    const clock = new FakeClock()
    const alarm = new Alarm(clock, () => assert.fail('it rang'))
    alarm.setTo(clock.monotonicMs() + 10)
    alarm.cancel()
    assert.equal(clock.sleepers, 0)
    await clock.advance(1000)
  })
})

describe('the log says why everything waits', () => {
  test('when it begins, when the reason changes, and once an hour', () => {
    const log = new TestLog()
    const reports = new LinkReports(log)
    reports.failed(connectionLost, 500, 0)
    reports.failed(connectionLost, 1000, 1000)
    assert.equal(log.lines.length, 1)
    reports.failed(refused(503), 1000, 2000)
    reports.failed(refused(507, { problemCode: 'storage_full' }), 1000, 3000)
    assert.equal(log.lines.length, 3)
    reports.failed(refused(507, { problemCode: 'storage_full' }), 1000, 3_602_999)
    assert.equal(log.lines.length, 3)
    reports.failed(refused(507, { problemCode: 'storage_full' }), 1000, 3_603_000)
    assert.equal(log.lines.length, 4)
    assert.equal(log.lines[3]!.fields?.code, 'storage_full')
  })

  test('again after it had worked for a while, and that it works', () => {
    const log = new TestLog()
    const reports = new LinkReports(log)
    reports.failed(connectionLost, 500, 0)
    reports.works()
    reports.failed(connectionLost, 500, 1000)
    reports.works()
    reports.failed(connectionLost, 500, 600_000)
    reports.works()
    const again = ['uploads_held', 'uploads_resumed']
    assert.deepEqual(log.events, [...again, ...again])
  })
})

describe('what is left alone for good', () => {
  test('is reported once for each path and reason, and never what passes by itself', () => {
    const log = new TestLog()
    const reports = new ReportOnce(log)
    for (let n = 0; n < 3; n += 1) {
      reports.notReady(bytePath('/data/link'), 'symbolic_link')
      reports.notReady(bytePath('/data/new'), 'not_quiet_yet')
      reports.notReady(bytePath('/data/x.tmp'), 'excluded')
      reports.notReady(bytePath('/data/taken'), 'already_taken')
    }
    reports.notReady(bytePath('/data/link'), 'unreadable')
    assert.deepEqual(
      log.lines.map(({ fields }) => [fields?.path, fields?.code]),
      [
        ['/data/link', 'symbolic_link'],
        ['/data/link', 'unreadable'],
      ],
    )
  })

  test('is shown so that no name can forge a line', () => {
    const log = new TestLog()
    new ReportOnce(log).notReady(bytePath('/data/a\nERROR'), 'symbolic_link')
    assert.doesNotMatch(String(log.lines[0]!.fields?.path), /\n/)
  })

  test('is listed up to a number, and then it is said that there is more', () => {
    const log = new TestLog()
    const reports = new ReportOnce(log)
    for (let n = 0; n < 5000; n += 1) reports.notReady(bytePath(`/data/${n}`), 'unreadable')
    assert.equal(log.lines.length, 1001)
    assert.equal(log.lines[1000]!.event, 'left_alone_more')
  })
})

describe('the summary', () => {
  test('names what there is to be named', () => {
    const stats = new SyncStats()
    assert.equal(summaryOf(stats), '0 files stored, 0 B')
    Object.assign(stats, {
      stored: 1,
      bytes: 1500,
      alreadyStored: 2,
      rejected: 3,
      quarantined: 4,
      retried: 5,
    })
    assert.equal(
      summaryOf(stats),
      '1 file stored, 1.5 kB; 2 already stored; 3 rejected; 4 quarantined; 5 tries failed',
    )
  })

  test('says what waits for another try', () => {
    assert.equal(heldText({ files: 0, folders: 0 }), '')
    assert.equal(heldText({ files: 1, folders: 0 }), '; 1 file to be tried again later')
    assert.equal(
      heldText({ files: 10_000, folders: 1 }),
      '; 10,000 files and 1 whole folder to be tried again later',
    )
    assert.match(heldText({ files: 0, folders: 20 }), /0 files and 20 whole folders/)
  })
})

describe('a failure is told to a person', () => {
  const codes: Readonly<Record<Exclude<TransferFailureKind, 'refused'>, string>> = {
    unreachable: 'receiver_unreachable',
    not_trusted: 'receiver_not_trusted',
    certificate_not_yet_valid: 'certificate_not_yet_valid',
    certificate_expired: 'certificate_expired',
    certificate_wrong_name: 'certificate_wrong_name',
    incompatible: 'receiver_incompatible',
    connection_lost: 'connection_lost',
    stalled: 'connection_lost',
    stopped: 'connection_lost',
    answer_unreadable: 'receiver_incompatible',
    device_busy: 'connection_lost',
    fault_here: 'connection_lost',
  }
  for (const [kind, code] of Object.entries(codes)) {
    test(`as ${code} when it was ${kind}`, () => {
      const failure = { kind: kind as TransferFailureKind, detail: 'the detail' }
      const error = transferError(failure, 'https://r:1')
      assert.equal(error.code, code)
      assert.match(error.message, /https:\/\/r:1: the detail/)
      assert.ok(error.hint)
      assert.equal(error.exitCode, 5)
    })
  }

  test('by the status where the receiver refused', () => {
    const code = (status: number) => transferError(refused(status), 'https://r:1').code
    assert.equal(code(401), 'credentials_rejected')
    assert.equal(code(403), 'credentials_rejected')
    assert.equal(code(507), 'receiver_full')
    assert.equal(code(500), 'receiver_refused')
  })
})
