import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { blake3 } from '../../src/base/hash.ts'
import { UploadPool } from '../../src/sync/upload-pool.ts'
import type { Shard, ShardResult, UploadProgress } from '../../src/wire/thread-messages.ts'
import { workerEntryUrl } from '../../workers/entry-url.ts'
import { MisbehavingReceiver } from '../support/misbehaving-receiver.ts'
import { ResumableServer } from '../support/resumable-server.ts'
import { shardFile } from '../support/shard-file.ts'

const content = randomBytes(3_000_000)
let folder: string
let server: ResumableServer
let pool: UploadPool
let nextId = 1
let sentBytes = 0
/** All that was heard of uploads that went on where they had broken off. */
let resumed: UploadProgress[] = []

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

interface Far {
  readonly address: string
  readonly caPem: string
}

function openPool({ address, caPem }: Far = server): UploadPool {
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
      resumed.push(...news.filter(({ fromByte }) => fromByte !== undefined))
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

test('what is told of an upload that goes on counts from its beginning', async () => {
  const large = Buffer.concat(Array.from({ length: 20 }, () => content))
  writeFileSync(join(folder, 'large'), large)
  const fromByte = 40_000_000
  server.breakAt(fromByte, 'reset')
  await pool.upload(single('large'))
  resumed = []
  const again = single('large')
  await pool.upload(again)
  assert.ok(resumed.length > 0)
  for (const each of resumed) {
    assert.deepEqual([each.shardId, each.fromByte], [again.id, fromByte])
    assert.ok(each.sentBytes >= fromByte && each.sentBytes < large.length + 10_000)
  }
})

test('bundles that do not settle after they were told to stop are given up', async () => {
  const silent = createServer((socket) => sockets.push(socket))
  const sockets: Socket[] = []
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const path = join(folder, 'small')
  writeFileSync(path, 'small')
  const { port } = silent.address() as AddressInfo
  const { caPem } = server
  const own = openPool({ address: `https://127.0.0.1:${port}`, caPem })
  try {
    const bundle: Shard = { id: 1, kind: 'bundle', files: [shardFile(path, folder)] }
    const uploaded = own.upload(bundle)
    while (sockets.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    own.stopUploads()
    assert.equal((await uploaded).failure?.kind, 'connection_lost')
  } finally {
    await own.destroy()
    for (const socket of sockets) socket.destroy()
    silent.close()
  }
})

test('a stopped upload of which only the answer is missing is given up, too, and asked for later', async () => {
  const bad = await MisbehavingReceiver.start()
  const own = openPool(bad)
  try {
    writeFileSync(join(folder, 'a'), content)
    bad.next({ does: 'silence', readsBody: true })
    const uploaded = own.upload(single('a'))
    while ((bad.uploads[0]?.bodyBytes ?? 0) < content.length + 64) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    own.stopUploads()
    assert.equal((await uploaded).failure?.kind, 'connection_lost')
    assertStored(await own.upload(single('a')))
    assert.equal(bad.seen[1]?.method, 'HEAD')
  } finally {
    await own.destroy()
    await bad.close()
  }
})
