import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { getHeapSpaceStatistics, queryObjects } from 'node:v8'
import { settled } from '../support/fake-clock.ts'
import { scansPerHour, TestDay } from './test-day.ts'

let day: TestDay
beforeEach(() => {
  day = new TestDay()
})
afterEach(() => day.remove())

/** So long that outages are over, tries have come, and what is kept for an hour has been forgotten. */
const restScans = 3.5 * scansPerHour
/** Caches of the runtime. Fifteen bytes a scan are more. */
const mayGrow = { objects: 50, heapBytes: 100_000 }
/** Compiled code comes and goes. */
const isOfCode = /code|trusted/

interface Holdings {
  readonly objects: number
  readonly heapBytes: number
  readonly descriptors: number
  readonly sleepers: number
  /** What keeps the event loop going. */
  readonly resources: readonly string[]
}

async function holdings(): Promise<Holdings> {
  // What one collection finishes, or lets others give back, only the next one finds.
  for (let n = 0; n < 4; n += 1) {
    globalThis.gc!()
    await settled()
  }
  const objects = queryObjects(Object, { format: 'count' })
  globalThis.gc!()
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => !isOfCode.test(space_name))
  return {
    objects,
    heapBytes: spaces.reduce((sum, { space_used_size }) => sum + space_used_size, 0),
    descriptors: readdirSync('/proc/self/fd').length,
    sleepers: day.clock.sleepers,
    resources: process.getActiveResourcesInfo().sort(),
  }
}

describe('a day of the daemon', () => {
  test('invariant 7: leaves nothing behind in memory, timers or descriptors', async () => {
    await day.pass(3 * scansPerHour, 'works')
    await day.pass(restScans, 'rests')
    const early = await holdings()
    await day.pass(14 * scansPerHour, 'works')
    await day.pass(restScans, 'rests')
    const late = await holdings()
    assert.equal(day.scans, 24 * scansPerHour + 1)
    const { stored, removed, retried, keptAfterUpload } = day.stats
    assert.equal(
      stored + day.owner.takenAway,
      day.owner.made,
      'each was stored once, or taken away by its owner',
    )
    assert.equal(removed, stored)
    assert.ok(retried > 500 && keptAfterUpload > 100, `${retried} tries, ${keptAfterUpload} kept`)
    assert.ok(day.outages > 5, `${day.outages} outages`)
    assert.equal(day.uploader.taken, 0)
    const grown = late.objects - early.objects
    assert.ok(grown <= mayGrow.objects, `${grown} more objects`)
    const grownBytes = late.heapBytes - early.heapBytes
    assert.ok(grownBytes <= mayGrow.heapBytes, `${grownBytes} more bytes of heap`)
    assert.equal(late.descriptors, early.descriptors)
    assert.deepEqual(late.resources, early.resources)
    assert.equal(late.sleepers, early.sleepers)
    await day.end()
    assert.equal(day.clock.sleepers, 0, 'no timer is left')
  })
})
