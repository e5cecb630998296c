import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RateLimit } from '../../../src/receiver/upkeep/rate-limit.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const signal = new AbortController().signal

/** Bytes that are read in so long, when each read of 1 MiB takes the disk `readMs`. */
async function readIn(seconds: number, bytesPerSecond: number, readMs: number): Promise<number> {
  const clock = new FakeClock()
  const rate = new RateLimit(bytesPerSecond, clock, signal)
  const endMs = clock.monotonicMs() + seconds * 1000
  let readBytes = 0
  let isOver = false
  const reading = (async () => {
    while (clock.monotonicMs() < endMs && !isOver) {
      await rate.take(1_048_576)
      clock.pass(readMs)
      readBytes += 1_048_576
    }
  })()
  while (clock.monotonicMs() < endMs) await clock.advance(10)
  isOver = true
  await clock.advance(10_000)
  await reading
  return readBytes
}

for (const readMs of [0, 5, 15]) {
  test(`Over 10 s the rate is within 10% of what was asked for, with reads that take ${readMs} ms.`, async () => {
    const bytes = await readIn(10, 50e6, readMs)
    assert.ok(Math.abs(bytes / 500e6 - 1) < 0.1, `${bytes} bytes`)
  })
}

test('Time in which nothing was read is not made up for.', async () => {
  const clock = new FakeClock()
  const rate = new RateLimit(1e6, clock, signal)
  await rate.take(1e6)
  clock.pass(60_000)
  for (let read = 0; read < 2; read += 1) {
    const taking = rate.take(1e6)
    await clock.advance(2000)
    await taking
  }
  const waiting = rate.take(1e6)
  assert.equal(clock.sleepers, 0)
  await waiting
  const next = rate.take(1)
  assert.equal(clock.sleepers, 1)
  await clock.advance(2000)
  await next
})

test('Without a limit nothing waits, and a signal ends a wait.', async () => {
  const clock = new FakeClock()
  const none = new RateLimit(Number.POSITIVE_INFINITY, clock, signal)
  for (let read = 0; read < 100; read += 1) await none.take(1e9)
  const stop = new AbortController()
  const slow = new RateLimit(1, clock, stop.signal)
  await slow.take(1e6)
  const waiting = slow.take(1)
  stop.abort()
  await waiting
  assert.equal(clock.sleepers, 0)
})
