import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { blake3 } from '../../src/base/hash.ts'
import { UploadPool } from '../../src/sync/upload-pool.ts'
import type { Shard, ShardResult } from '../../src/wire/thread-messages.ts'
import { workerEntryUrl } from '../../workers/entry-url.ts'
import { ResumableServer } from '../support/resumable-server.ts'
import { shardFile } from '../support/shard-file.ts'

const content = randomBytes(3_000_000)
let folder: string
let server: ResumableServer
let pool: UploadPool
let nextId = 1
let sentBytes = 0

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'longshore-test-threads-'))
  server = await ResumableServer.start()
  pool = openPool()
})

afterEach(async () => {
  await pool.destroy()
  await server.close()
  rmSync(folder, { recursive: true })
})

function openPool(): UploadPool {
  const { address, caPem } = server
  return new UploadPool({
    workerEntryUrl,
    workerData: {
      address,
      caPem,
      authorization: 'Basic robot',
      tags: ['from-config'],
      progressEveryMs: 10,
      stallMs: 60_000,
    },
    concurrency: { threads: 3, uploadsPerThread: 1, uploads: 3, singleUploads: 3 },
    onProgress: (news) => {
      sentBytes = Math.max(sentBytes, ...news.map((each) => each.sentBytes))
    },
    onThreadError: (error) => assert.fail(String(error)),
  })
}

function single(name: string): Shard {
  const path = join(folder, name)
  return { id: nextId++, kind: 'single', files: [shardFile(path, folder)] }
}

function assertStored({ files, failure }: ShardResult): void {
  assert.equal(failure, undefined)
  assert.ok(files[0]?.status === 'answered')
  assert.equal(files[0].digest, blake3(content))
  assert.equal(files[0].outcome.digest, blake3(content))
}

test('invariant 6: a file goes on in the thread that knows how far it was, whichever is free', async () => {
  for (const name of ['a', 'b', 'c']) writeFileSync(join(folder, name), content)
  for (let n = 1; n <= 3; n += 1) server.breakAt(n * 600_000, 'reset')
  const broken = await Promise.all(['a', 'b', 'c'].map((name) => pool.upload(single(name))))
  for (const { failure } of broken) assert.equal(failure?.kind, 'connection_lost')
  server.requests.length = 0
  for (const name of ['c', 'a', 'b']) assertStored(await pool.upload(single(name)))
  assert.deepEqual(
    server.requests.map(({ method }) => method),
    ['HEAD', 'PATCH', 'HEAD', 'PATCH', 'HEAD', 'PATCH'],
  )
})

test('invariant 6: a file goes on in threads that know nothing of it', async () => {
  writeFileSync(join(folder, 'a'), content)
  server.breakAt(1_000_000, 'session')
  await pool.upload(single('a'))
  await pool.destroy()
  pool = openPool()
  assertStored(await pool.upload(single('a')))
  assert.deepEqual(server.seen(), ['POST 0', 'POST 0', 'PATCH 1000000'])
})

test('an upload that is stopped goes on when it is given to the thread again', async () => {
  writeFileSync(join(folder, 'large'), Buffer.concat(Array.from({ length: 30 }, () => content)))
  const shard = single('large')
  sentBytes = 0
  const stopped = pool.upload(shard)
  while (sentBytes === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  pool.stopUploads()
  assert.equal((await stopped).failure?.kind, 'stopped')
  const again = await pool.upload(single('large'))
  assert.equal(again.files[0]?.status, 'answered')
  assert.deepEqual(
    server.requests.map(({ method }) => method),
    ['POST', 'HEAD', 'PATCH'],
  )
  assert.ok((server.requests[2]?.fromByte ?? 0) > 0)
})
