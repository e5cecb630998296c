import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isKept } from '../../bench/bounds/bound.ts'
import { growthBounds, growthOf } from '../../bench/bounds/growth.ts'
import { holdingsOf } from '../../bench/bounds/holdings.ts'
import { trendOf } from '../../bench/bounds/trend.ts'
import type { Sample } from '../../bench/bounds/watch.ts'

const may = { rssMb: 10, descriptors: 3, threads: 2 }

/** Half an hour of a process, looked at every 10 s, whose memory goes up and down by 5 MB. */
function watched(mbPerHour: number, descriptorsPerHour = 0): Sample[] {
  return Array.from({ length: 180 }, (_, n) => {
    const hours = n / 360
    const rssBytes = (100 + mbPerHour * hours + (n % 7 < 3 ? 5 : 0)) * 1e6
    const descriptors = 30 + Math.floor(descriptorsPerHour * hours) + (n % 5)
    const held = { rssBytes, peakRssBytes: rssBytes, descriptors, threads: 12 }
    return { atSeconds: n * 10, pid: 1, load1: 1, ...held }
  })
}
const broken = (samples: Sample[]) =>
  growthBounds(growthOf('daemon', samples), may)
    .filter((bound) => !isKept(bound))
    .map(({ what }) => what)

describe('the bounds of a process', () => {
  test('are kept by one that only goes up and down', () => {
    assert.deepEqual(broken(watched(0)), [])
  })

  test('are broken by one that grows, however much it goes up and down', () => {
    assert.deepEqual(broken(watched(30)), ['daemon: memory'])
    assert.deepEqual(broken(watched(0, 10)), ['daemon: descriptors'])
  })

  test('are broken by what is not a number', () => {
    assert.equal(isKept({ what: 'x', unit: '', found: Number.NaN, limit: 1 }), false)
  })

  test('need more than one moment', () => {
    assert.throws(() => trendOf([{ atSeconds: 1, value: 1 }]), RangeError)
    assert.throws(() => growthOf('daemon', []), RangeError)
  })

  test('are of what the kernel says', () => {
    const holdings = holdingsOf(process.pid)!
    assert.ok(holdings.rssBytes > 20e6 && holdings.peakRssBytes >= holdings.rssBytes)
    assert.ok(holdings.descriptors > 3 && holdings.threads > 3)
    assert.equal(holdingsOf(2 ** 30), undefined)
  })
})
