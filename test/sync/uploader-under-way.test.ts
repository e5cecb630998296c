import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settled } from '../support/fake-clock.ts'
import { imaginaries } from './candidates.ts'
import { TestUploader } from './test-uploader.ts'

test('invariant 1: a file is under way until it is settled, and not while it only waits', async () => {
  const test = new TestUploader()
  const { uploader, transport, settler } = test
  const files = imaginaries(100_000, 100)
  uploader.add(files)
  await settled()
  const sent = new Set(transport.underWay.flatMap(({ files }) => files.map(({ path }) => path)))
  assert.ok(sent.size > 0 && sent.size < files.length)
  for (const { path } of files) assert.equal(uploader.isUnderWay(path), sent.has(path))

  const settling = Promise.withResolvers<void>()
  settler.before = () => settling.promise
  const shard = transport.underWay[0]!
  transport.end(shard, { files: shard.files.map(() => ({ status: 'gone' })), failure: undefined })
  await settled()
  const { path } = shard.files[0]!
  assert.equal(uploader.isUnderWay(path), true, 'it is being settled')
  settling.resolve()
  await settled()
  assert.equal(uploader.isUnderWay(path), false)
})
