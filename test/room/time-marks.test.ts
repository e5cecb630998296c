import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TimeMarks } from '../../src/room/time-marks.ts'

describe('time that is counted with pauses', () => {
  test('began when the wall clock last showed as much less as the window is long', () => {
    const marks = new TimeMarks(30)
    marks.add(1000, 0)
    marks.add(2000, 20)
    assert.equal(marks.windowBeganMs(), undefined)
    marks.add(3000, 20)
    assert.equal(marks.windowBeganMs(), 1000)
    marks.add(4000, 10)
    assert.equal(marks.windowBeganMs(), 2000)
    marks.clear()
    assert.equal(marks.windowBeganMs(), undefined)
  })

  test('invariant 7: takes no more room the longer it goes on, counted or not', () => {
    const marks = new TimeMarks(600)
    for (let minute = 0; minute < 10_000; minute += 1) marks.add(minute, 0)
    assert.equal(marks.size, 1)
    for (let minute = 10_000; minute < 20_000; minute += 1) marks.add(minute, 60)
    assert.equal(marks.size, 11)
    assert.equal(marks.windowBeganMs(), 19_999 - 10)
  })
})
