import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { UnreadBytes } from '../../../src/receiver/server/unread-bytes.ts'
import { until } from '../support/receiver.ts'

function body(t: TestContext, ...pieces: readonly number[]): Readable {
  const stream = new Readable({ read: () => {}, highWaterMark: 1 })
  stream.on('error', () => {})
  t.after(() => stream.destroy())
  for (const size of pieces) stream.push(Buffer.alloc(size))
  return stream
}

test('Beyond the limit the bodies that hold most are cut off, and no more of them than needed.', async (t) => {
  const unread = new UnreadBytes({ limitBytes: 100_000, checkMs: 1 })
  const [small, large, larger] = [body(t, 30_000), body(t, 50_000), body(t, 90_000)]
  for (const each of [small, large]) unread.watch(each)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(!small.destroyed && !large.destroyed)
  unread.watch(larger)
  await until(() => larger.destroyed)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(!small.destroyed && !large.destroyed)
})

test('A byte in a piece of its own counts for what it takes in memory.', async (t) => {
  const unread = new UnreadBytes({ limitBytes: 100_000, checkMs: 1 })
  const crumbs = body(t, ...Array.from({ length: 1000 }, () => 1))
  const whole = body(t, 1000)
  for (const each of [crumbs, whole]) unread.watch(each)
  await until(() => crumbs.destroyed)
  assert.ok(!whole.destroyed)
})

test('What has been read counts no more, and what has closed is forgotten.', async (t) => {
  const unread = new UnreadBytes({ limitBytes: 100_000, checkMs: 1 })
  const read = body(t, 90_000)
  read.resume()
  const gone = body(t, 90_000)
  const waiting = body(t, 90_000)
  for (const each of [read, gone, waiting]) unread.watch(each)
  gone.destroy()
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.ok(!read.destroyed && !waiting.destroyed)
})
