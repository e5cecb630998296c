import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { OpenWriterLookup } from '../../src/probe/open-writer-lookup.ts'
import type { OpenWriters } from '../../src/probe/open-writers.ts'

/** A clock that stands still but for what tests and sleepers move it by. */
class HandClock implements Clock {
  nowMs = 5000
  readonly sleptMs: number[] = []
  wallMs = () => this.nowMs
  monotonicMs = () => this.nowMs
  sleep = async (delayMs: number) => {
    this.sleptMs.push(delayMs)
    this.nowMs += delayMs
  }
}

const lookupThatTakes = (durationMs: number) => {
  const clock = new HandClock()
  const state = { looks: 0 }
  const lookUp = async (): Promise<OpenWriters> => {
    state.looks++
    const takenAtMs = clock.nowMs
    await new Promise((resolve) => setImmediate(resolve))
    clock.nowMs += durationMs
    return { has: () => false, blindTo: 0, takenAtMs }
  }
  return { clock, state, lookup: new OpenWriterLookup({ clock, lookUp }) }
}

describe('OpenWriterLookup', () => {
  test('serves all that ask within a second with one look, also while it is under way', async () => {
    const { clock, state, lookup } = lookupThatTakes(0)
    const [a, b] = await Promise.all([lookup.lookup(), lookup.lookup()])
    clock.nowMs += 1000
    const c = await lookup.lookup()
    assert.ok(a === b && b === c)
    assert.equal(state.looks, 1)
    clock.nowMs += 1
    assert.notEqual(await lookup.lookup(), a)
    assert.equal(state.looks, 2)
  })

  test('gives one that needs a newer look a newer one', async () => {
    const { clock, state, lookup } = lookupThatTakes(0)
    await lookup.lookup()
    clock.nowMs += 10
    const fresh = await lookup.lookup({ notBeforeMs: clock.nowMs })
    assert.equal(fresh.takenAtMs, clock.nowMs)
    assert.equal(state.looks, 2)
  })

  test('gives an old look to one that needs nothing newer', async () => {
    const { clock, state, lookup } = lookupThatTakes(0)
    await lookup.lookup()
    clock.nowMs += 60_000
    assert.equal((await lookup.lookup({ notBeforeMs: 5000 })).takenAtMs, 5000)
    assert.equal(state.looks, 1)
  })

  test('never answers with a look that began too early, and starts one for all that wait', async () => {
    const { clock, state, lookup } = lookupThatTakes(0)
    const early = lookup.lookup()
    await Promise.resolve()
    clock.nowMs += 1
    const notBeforeMs = clock.nowMs
    const late = await Promise.all([1, 2, 3].map(() => lookup.lookup({ notBeforeMs })))
    assert.equal((await early).takenAtMs, 5000)
    for (const { takenAtMs } of late) assert.ok(takenAtMs >= notBeforeMs)
    assert.equal(state.looks, 2)
  })

  test('rests between looks for nine times what one takes, but for no more than a second', async () => {
    const { clock, lookup } = lookupThatTakes(20)
    await lookup.lookup()
    await lookup.lookup({ notBeforeMs: clock.nowMs })
    assert.deepEqual(clock.sleptMs, [180])
    const slow = lookupThatTakes(500)
    await slow.lookup.lookup()
    await slow.lookup.lookup({ notBeforeMs: slow.clock.nowMs })
    assert.deepEqual(slow.clock.sleptMs, [1000])
  })

  test('tells all that wait of a failure, and looks again for the next', async () => {
    const clock = new HandClock()
    let looks = 0
    const lookUp = async (): Promise<OpenWriters> => {
      if (++looks === 1) throw new Error('no /proc')
      return { has: () => true, blindTo: 0, takenAtMs: clock.nowMs }
    }
    const lookup = new OpenWriterLookup({ clock, lookUp })
    const results = await Promise.allSettled([lookup.lookup(), lookup.lookup()])
    assert.deepEqual(
      results.map((result) => result.status),
      ['rejected', 'rejected'],
    )
    assert.equal((await lookup.lookup()).has(1n, 1n), true)
  })

  test('looks at this machine unless told otherwise', async () => {
    const { takenAtMs } = await new OpenWriterLookup().lookup()
    assert.ok(takenAtMs <= performance.now())
  })
})
