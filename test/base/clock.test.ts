import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'

/** What Node.js warns of while `work` is done. */
async function warningsOf(work: () => Promise<void>): Promise<string[]> {
  const warnings: string[] = []
  const onWarning = ({ message }: Error) => warnings.push(message)
  process.on('warning', onWarning)
  try {
    await work()
    // A warning is emitted in a later turn.
    await new Promise<void>((resolve) => setImmediate(resolve))
  } finally {
    process.off('warning', onWarning)
  }
  return warnings
}

for (const delayMs of [-0.02, Number.NEGATIVE_INFINITY, Number.NaN]) {
  test(`who sleeps for ${delayMs} ms does not sleep, and Node.js has nothing to warn of`, async () => {
    assert.deepEqual(await warningsOf(() => systemClock.sleep(delayMs)), [])
  })
}

for (const delayMs of [2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY]) {
  test(`who sleeps for ${delayMs} ms is not back at once, and can be woken`, async () => {
    const waker = new AbortController()
    let isBack = false
    const warnings = await warningsOf(async () => {
      const sleep = systemClock.sleep(delayMs, waker.signal).then(() => {
        isBack = true
      })
      await systemClock.sleep(20)
      assert.equal(isBack, false)
      waker.abort()
      await sleep
    })
    assert.deepEqual(warnings, [])
  })
}

test('a sleep that takes several timers ends when the last of them has', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let isBack = false
  const sleep = systemClock.sleep(2 ** 31 + 1000).then(() => {
    isBack = true
  })
  t.mock.timers.tick(2 ** 31 - 1)
  t.mock.timers.tick(1000)
  await Promise.resolve()
  assert.equal(isBack, false)
  t.mock.timers.tick(1)
  await sleep
})
