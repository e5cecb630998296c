import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UploadChance } from '../../src/room/upload-chance.ts'
import { FakeClock } from '../support/fake-clock.ts'

const minuteMs = 60_000

/** A daemon that looks once a minute. */
class Daemon {
  readonly clock = new FakeClock()
  readonly chance = new UploadChance()
  readonly startMs = this.clock.wallMs()

  run(minutes: number, isOnline: boolean): void {
    for (let minute = 0; minute < minutes; minute += 1) {
      this.look(isOnline)
      this.clock.pass(minuteMs)
    }
    this.look(isOnline)
  }

  look(isOnline: boolean): void {
    const { clock } = this
    const monotonicMs = clock.monotonicMs()
    this.chance.look({ isOnline, wallMs: clock.wallMs(), monotonicMs })
  }

  isOver(readyAtMs: number): boolean {
    return this.chance.isOverFor(readyAtMs, this.clock.wallMs())
  }
}

describe('the chance of a file to be uploaded', () => {
  test('invariant 1: is over after ten minutes online, not before', () => {
    const daemon = new Daemon()
    daemon.run(9, true)
    assert.equal(daemon.isOver(daemon.startMs - 1e9), false)
    assert.equal(daemon.chance.isOverForSome, false)
    daemon.run(1, true)
    assert.equal(daemon.isOver(daemon.startMs - 1e9), true)
    assert.equal(daemon.isOver(daemon.startMs), true)
    assert.equal(daemon.isOver(daemon.startMs + 1), false)
  })

  test('goes with the time for files that come later', () => {
    const daemon = new Daemon()
    daemon.run(30, true)
    const nowMs = daemon.clock.wallMs()
    assert.equal(daemon.isOver(nowMs - 10 * minuteMs), true)
    assert.equal(daemon.isOver(nowMs - 9 * minuteMs), false)
    assert.equal(daemon.isOver(nowMs), false)
  })

  test('invariant 1: begins when the receiver is back, for all that came while it was away', () => {
    const daemon = new Daemon()
    daemon.run(3 * 24 * 60, false)
    const backMs = daemon.clock.wallMs()
    daemon.run(9, true)
    assert.equal(daemon.isOver(daemon.startMs - 1e9), false, 'a full disk is first uploaded')
    daemon.run(1, true)
    assert.equal(daemon.isOver(backMs), true)
  })

  test('is of no use while the receiver is away: then ten minutes of that count', () => {
    const daemon = new Daemon()
    daemon.run(20, true)
    daemon.run(9, false)
    const cameMs = daemon.clock.wallMs()
    daemon.run(1, false)
    assert.equal(daemon.isOver(cameMs - 9 * minuteMs), true)
    assert.equal(daemon.isOver(cameMs), false, 'it came a minute ago')
    daemon.run(9, false)
    assert.equal(daemon.isOver(cameMs), true)
  })

  test('counts the online minutes between short outages, and no minute of those', () => {
    const daemon = new Daemon()
    for (let n = 0; n < 9; n += 1) {
      daemon.run(1, true)
      daemon.run(5, false)
    }
    assert.equal(daemon.isOver(daemon.startMs), false)
    daemon.run(2, true)
    assert.equal(daemon.isOver(daemon.startMs), true)
  })

  test('does not count what nobody looked at', () => {
    const daemon = new Daemon()
    daemon.look(true)
    daemon.clock.pass(60 * minuteMs)
    daemon.look(true)
    assert.equal(daemon.isOver(daemon.startMs), false)
  })

  test('begins anew when it is told to', () => {
    const daemon = new Daemon()
    daemon.run(20, true)
    daemon.chance.reset()
    assert.equal(daemon.isOver(daemon.startMs), false)
    daemon.run(10, true)
    assert.equal(daemon.isOver(daemon.startMs), true)
  })
})

describe('a wall clock that is set', () => {
  test('invariant 1: forward makes no file older than it is', () => {
    const daemon = new Daemon()
    daemon.run(20, true)
    const writtenMs = daemon.clock.wallMs()
    daemon.clock.setWall(writtenMs + 50 * 365 * 24 * 60 * minuteMs)
    daemon.run(9, true)
    assert.equal(daemon.isOver(writtenMs), false)
    daemon.run(2, true)
    assert.equal(daemon.isOver(writtenMs), true)
  })

  test('invariant 1: back gives every file its ten minutes again', () => {
    const daemon = new Daemon()
    daemon.run(20, true)
    daemon.clock.setWall(daemon.startMs - 60 * minuteMs)
    daemon.run(9, true)
    assert.equal(daemon.isOver(daemon.startMs - 2e9), false)
    assert.equal(daemon.isOver(daemon.startMs + 60 * minuteMs), false)
    daemon.run(1, true)
    assert.equal(daemon.isOver(daemon.startMs - 2e9), true)
  })

  test('leaves files from the future, which had their chance like others', () => {
    const daemon = new Daemon()
    const futureMs = daemon.startMs + 365 * 24 * 60 * minuteMs
    daemon.run(9, true)
    assert.equal(daemon.isOver(futureMs), false)
    daemon.run(1, true)
    assert.equal(daemon.isOver(futureMs), true)
    assert.equal(daemon.isOver(daemon.clock.wallMs() + 9 * minuteMs), false, "a server's clock")
  })
})
