import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { ThreadMemory } from '../../src/sync/thread-memory.ts'
import { UploadPool } from '../../src/sync/upload-pool.ts'
import type { Progress, Shard, ShardResult } from '../../src/wire/thread-messages.ts'
import type { WorkerData } from '../../src/wire/worker-data.ts'
import { connectionLost, pathsOf, storedImaginary } from '../support/fake-transport.ts'
import { imaginaries, imaginary } from './candidates.ts'

const folder = mkdtempSync(join(tmpdir(), 'longshore-pool-'))
after(() => rmSync(folder, { recursive: true }))

const messages = JSON.stringify(new URL('../../src/wire/thread-messages.ts', import.meta.url).href)
const head = `
import { threadId, workerData } from 'node:worker_threads'
import { packProgress, packShardResult, stopMessage, unpackShard } from ${messages}
const answer = (shard, failure) => packShardResult({ files: shard.files.map(() => ({ status: 'not_sent' })), failure })
const told = (shard) => answer(shard, { kind: 'stopped', detail: threadId + ' ' + shard.files.length })
`
let files = 0
/** The code of a worker thread, in place of workers/entry.ts. */
function entry(code: string): URL {
  files += 1
  const file = join(folder, `worker-${files}.ts`)
  writeFileSync(file, head + code)
  return pathToFileURL(file)
}

let pool: UploadPool | undefined
afterEach(async () => {
  await pool?.destroy()
  pool = undefined
})

const errors: unknown[] = []
const progress: Progress[number][] = []
function open(code: string, threads = 2, uploadsPerThread = 4): UploadPool {
  errors.length = 0
  progress.length = 0
  pool = new UploadPool({
    workerEntryUrl: entry(code),
    workerData: { address: 'https://r' } as WorkerData,
    concurrency: { threads, uploadsPerThread, uploads: 8, singleUploads: 2 },
    onProgress: (news) => progress.push(...news),
    onThreadError: (error) => errors.push(error),
  })
  return pool
}

let nextId = 1
const shard = (count = 1): Shard => ({
  id: nextId++,
  kind: 'bundle',
  files: imaginaries(count, 10),
})

describe('the pool of threads', () => {
  test('starts no thread before there is something to do', () => {
    assert.equal(open('export default () => {}').threads, 0)
  })

  test('carries shards to threads and results back', async () => {
    const upload = open('export default ({ shard }) => told(unpackShard(shard))')
    const result = await upload.upload(shard(3))
    assert.match(result.failure!.detail, /^\d+ 3$/)
    assert.deepEqual(result.files, [
      { status: 'not_sent' },
      { status: 'not_sent' },
      { status: 'not_sent' },
    ])
  })

  test('spreads uploads over the threads that it may start, and starts no more', async () => {
    const wait = `
      export default async ({ shard }) => {
        await new Promise((resolve) => setTimeout(resolve, 30))
        return told(unpackShard(shard))
      }`
    const upload = open(wait, 2)
    const results = await Promise.all(Array.from({ length: 8 }, () => upload.upload(shard())))
    const threads = new Set(results.map(({ failure }) => failure!.detail.split(' ')[0]))
    assert.equal(threads.size, 2)
    assert.equal(upload.threads, 2)
  })

  test('starts another thread for a second upload before it gives one of them two', async () => {
    const upload = open(`
      export default async ({ shard }) => {
        await new Promise((resolve) => setTimeout(resolve, 30))
        return told(unpackShard(shard))
      }`)
    await upload.upload(shard())
    assert.equal(upload.threads, 1)
    await Promise.all([upload.upload(shard()), upload.upload(shard())])
    assert.equal(upload.threads, 2)
  })

  test('hands on how far uploads are', async () => {
    const one = shard()
    await open(`
      export default async ({ shard: frame, port }) => {
        const shard = unpackShard(frame)
        port.postMessage(packProgress([{ shardId: shard.id, sentBytes: 2 ** 40 }]))
        await new Promise((resolve) => setTimeout(resolve, 30))
        return told(shard)
      }`).upload(one)
    assert.deepEqual(progress, [{ shardId: one.id, sentBytes: 2 ** 40 }])
  })

  test('has uploads that listen end early', async () => {
    const upload = open(`
      export default ({ shard, port }) => new Promise((resolve) => {
        port.on('message', (message) => {
          port.close()
          resolve(told(unpackShard(shard)))
          if (message !== stopMessage) throw new Error(message)
        })
        port.postMessage(packProgress([{ shardId: 0, sentBytes: 0 }]))
      })`)
    const done = upload.upload(shard())
    while (progress.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    upload.stopUploads()
    assert.equal((await done).failure?.kind, 'stopped')
  })
})

describe('a large file whose upload broke off', () => {
  /** Answers with the failure that the file is named after, in the time it takes to be told twice. */
  const code = `
    export default async ({ shard }) => {
      const { files } = unpackShard(shard)
      await new Promise((resolve) => setTimeout(resolve, 20))
      const kind = files[0].path.split('/').at(-1)
      const status = kind === 'none' ? 'changed' : 'not_sent'
      return packShardResult({
        files: [{ status }],
        failure: kind === 'none' ? undefined : { kind, detail: String(threadId) },
      })
    }`

  const single = (name: string): Shard => ({
    id: nextId++,
    kind: 'single',
    files: [imaginary(`/data/${name}`)],
  })

  async function threadOf(result: Promise<ShardResult>): Promise<string> {
    return (await result).failure!.detail
  }

  test('is given to the thread that knows of it, again and again', async () => {
    const upload = open(code, 3)
    const all = ['connection_lost', 'stalled', 'stopped']
    const first = await Promise.all(all.map((name) => threadOf(upload.upload(single(name)))))
    assert.equal(new Set(first).size, 3)
    for (let n = 0; n < 3; n += 1) {
      all.reverse()
      first.reverse()
      const next = await Promise.all(all.map((name) => threadOf(upload.upload(single(name)))))
      assert.deepEqual(next, first)
    }
  })

  test('is given to another thread where that one is full', async () => {
    const upload = open(code, 2, 1)
    const both = ['stalled', 'stopped'].map((name) => threadOf(upload.upload(single(name))))
    const [thread] = await Promise.all(both)
    const busy = upload.upload(single('stalled'))
    const other = await threadOf(upload.upload(single('stalled')))
    assert.equal(await threadOf(busy), thread)
    assert.notEqual(other, thread)
  })

  test('is given to another thread where that one is gone', async () => {
    const upload = open(`
      export default ({ shard: frame }) => {
        const shard = unpackShard(frame)
        if (shard.kind === 'bundle') process.exit(7)
        return told(shard)
      }`)
    const [thread] = (await threadOf(upload.upload(single('stopped')))).split(' ')
    await assert.rejects(upload.upload(shard()), /exited with code: 7/)
    const [other] = (await threadOf(upload.upload(single('stopped')))).split(' ')
    assert.notEqual(other, thread)
  })
})

test('invariant 7: of large files only those that broke off last are remembered', () => {
  const memory = new ThreadMemory()
  const single = (n: number): Shard => ({ id: n, kind: 'single', files: [imaginary(`/data/${n}`)] })
  const broken: ShardResult = { files: [{ status: 'not_sent' }], failure: connectionLost }
  for (let n = 0; n < 1100; n += 1) memory.ended(single(n), broken, n)
  assert.equal(memory.threadOf(single(75)), undefined)
  assert.equal(memory.threadOf(single(76)), 76)
  assert.equal(memory.threadOf(single(1099)), 1099)
  memory.ended(single(1099), { files: [{ status: 'changed' }], failure: undefined }, 5)
  assert.equal(memory.threadOf(single(1099)), undefined, 'one that came to an end is forgotten')
  memory.ended(
    single(7),
    { files: [{ status: 'unreadable', errno: 'EIO' }], failure: undefined },
    7,
  )
  assert.equal(memory.threadOf(single(7)), 7)
  memory.ended({ ...single(8), kind: 'bundle' }, broken, 8)
  assert.equal(memory.threadOf({ ...single(8), kind: 'bundle' }), undefined)
})

describe('a thread that dies', () => {
  test('has its upload rejected, and another thread does the next one', async () => {
    const upload = open(`
      export default ({ shard: frame }) => {
        const shard = unpackShard(frame)
        if (shard.files.length === 2) process.exit(7)
        return told(shard)
      }`)
    await assert.rejects(upload.upload(shard(2)), /exited with code: 7/)
    assert.equal((await upload.upload(shard(1))).failure?.kind, 'stopped')
  })

  test('by an error of its own, with nothing to do, does not take the daemon with it', async () => {
    const upload = open(`
      export default ({ shard }) => {
        setTimeout(() => { throw new Error('a session went wrong') }, 5)
        return told(unpackShard(shard))
      }`)
    await upload.upload(shard())
    while (errors.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.match(String(errors[0]), /a session went wrong/)
    assert.equal((await upload.upload(shard())).failure?.kind, 'stopped')
  })

  test('before it took a question to the receiver has that rejected, not wait for ever', async () => {
    const upload = open('process.exit(1)')
    await assert.rejects(upload.probe())
    await assert.rejects(upload.probe())
  })

  test('before it took the uploads that wait for it has them rejected, not wait for ever', async () => {
    const upload = open(`throw new Error('cannot be loaded')\nexport default () => {}`)
    const uploads = await Promise.allSettled([1, 2, 3, 4].map(() => upload.upload(shard())))
    assert.deepEqual(
      uploads.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected', 'rejected'],
    )
    assert.ok(errors.length > 0)
    await assert.rejects(upload.upload(shard()), /cannot be loaded/)
  })

  test('by a pool that is destroyed has its uploads rejected', async () => {
    const upload = open('export default () => new Promise(() => {})')
    const rejected = assert.rejects(upload.upload(shard()))
    await new Promise((resolve) => setTimeout(resolve, 30))
    await upload.destroy()
    await rejected
    assert.equal(upload.threads, 0)
  })
})

test('a shard keeps its files in order on the way to a thread', async () => {
  const many = { ...shard(), files: [...imaginaries(3, 1), imaginary('/data/z\xff\n')] }
  const upload = open(`
    export default ({ shard }) => {
      const { files } = unpackShard(shard)
      return packShardResult({ files: files.map(({ path }) => ({ status: 'unreadable', errno: path })), failure: undefined })
    }`)
  const { files: results } = await upload.upload(many)
  const names = results.map((result) => result.status === 'unreadable' && result.errno)
  assert.deepEqual(names, pathsOf(many))
  assert.equal(storedImaginary(many.files[0]!).status, 'answered')
})
