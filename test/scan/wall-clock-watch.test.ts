import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { WallClockWatch } from '../../src/scan/wall-clock-watch.ts'

const quietMs = 10_000
const yearMs = 365 * 86_400_000

describe('a watch on the wall clock', () => {
  test('sees nothing while both clocks go on alike', () => {
    const watch = new WallClockWatch(quietMs)
    for (let n = 0; n < 100; n += 1) {
      assert.equal(watch.look(5000 + n * 6000 + (n % 2) * 100, n * 6000), undefined)
    }
  })

  test('sees a step forward, and what was written before it', () => {
    const watch = new WallClockWatch(quietMs)
    watch.look(1000, 0)
    // Six seconds later, and a year later.
    const step = watch.look(7000 + yearMs, 6000)
    assert.equal(step?.byMs, yearMs)
    assert.equal(step.beforeMs, 7000)
  })

  test('allows for the step until the quiet time is over', () => {
    const watch = new WallClockWatch(quietMs)
    watch.look(1000, 0)
    watch.look(7000 + yearMs, 6000)
    assert.notEqual(watch.look(16_999 + yearMs, 15_999), undefined)
    assert.equal(watch.look(17_000 + yearMs, 16_000), undefined)
  })

  test('adds up steps that follow each other', () => {
    const watch = new WallClockWatch(quietMs)
    watch.look(0, 0)
    watch.look(1000 + 500, 1000)
    const step = watch.look(2000 + 500 + 700, 2000)
    assert.equal(step?.byMs, 1200)
    assert.equal(step.beforeMs, 2500)
  })

  test('has nothing to do with a step back: those files are from the future then', () => {
    const watch = new WallClockWatch(quietMs)
    watch.look(yearMs, 0)
    assert.equal(watch.look(1000, 1000), undefined)
    assert.equal(watch.look(2000, 2000), undefined)
  })
})
