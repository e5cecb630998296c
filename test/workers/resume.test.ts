import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, mock, test } from 'node:test'
import { blake3 } from '../../src/base/hash.ts'
import type { FileResult, ShardFile, ShardResult } from '../../src/wire/thread-messages.ts'
import { Labeller } from '../../workers/labels.ts'
import { Lane } from '../../workers/lane.ts'
import { UnfinishedUploads } from '../../workers/unfinished-uploads.ts'
import { type SingleUploadTools, uploadSingle } from '../../workers/upload-single.ts'
import { type Break, ResumableServer } from '../support/resumable-server.ts'
import { shardFile } from '../support/shard-file.ts'

const fileBytes = 3_000_000
const content = randomBytes(fileBytes)
const contentDigest = blake3(content)

let folder: string
let path: string
let file: ShardFile
let server: ResumableServer
let handles: FileHandle
const threads: SingleUploadTools[] = []

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'longshore-test-resume-'))
  handles = Object.getPrototypeOf(await openOnce(import.meta.filename)) as FileHandle
})

async function openOnce(name: string): Promise<FileHandle> {
  const handle = await open(name)
  await handle.close()
  return handle
}

beforeEach(async () => {
  path = join(folder, 'large.bin')
  writeFileSync(path, content)
  file = shardFile(path, folder)
  server = await ResumableServer.start()
})

afterEach(async () => {
  mock.restoreAll()
  for (const { lane } of threads.splice(0)) await lane.destroy(new Error('the test is over'))
  await server.close()
  rmSync(path, { force: true })
})

after(() => rmSync(folder, { recursive: true, force: true }))

/** A thread as it starts: it knows of nothing. */
function startThread(stallMs = 60_000): SingleUploadTools {
  const { address, caPem } = server
  const lane = new Lane({ address, caPem, authorization: 'Basic robot', stallMs })
  const thread = { lane, labeller: new Labeller([]), unfinished: new UnfinishedUploads() }
  threads.push(thread)
  return thread
}

interface Hooks {
  readonly onSent?: (sizeBytes: number) => void
  readonly onStoppable?: (stop: () => void) => void
}

function upload(thread: SingleUploadTools, hooks: Hooks = {}, which = file): Promise<ShardResult> {
  return uploadSingle(which, thread, { onSent: () => {}, onStoppable: () => {}, ...hooks })
}

async function breakOnce(thread: SingleUploadTools, atByte: number, how: Break = 'session') {
  server.breakAt(atByte, how)
  const result = await upload(thread)
  assert.deepEqual(result.files, [{ status: 'not_sent' }])
  assert.equal(result.failure?.kind, 'connection_lost')
  assert.equal(server.only().received.length, atByte)
}

function assertStored(result: ShardResult, status: 'stored' | 'already_stored' = 'stored'): void {
  assert.equal(result.failure, undefined)
  const only = answered(result)
  assert.equal(only.outcome.status, status)
  assert.equal(only.outcome.digest, contentDigest)
  assert.equal(only.digest, contentDigest)
  assert.equal(only.identity.sizeBytes, fileBytes)
}

function answered({ files }: ShardResult): FileResult & { status: 'answered' } {
  const [only] = files
  assert.ok(only?.status === 'answered', `the file is ${only?.status}`)
  return only
}

/** Where the file's bytes begin in the message, whose length the server was told. */
async function messageShape(): Promise<{ fileStart: number; lengthBytes: number }> {
  const thread = startThread()
  server.breakAt(1, 'session')
  await upload(thread)
  const { lengthBytes } = server.only()
  assertStored(await upload(thread))
  const fileStart = server.only().received.indexOf(content.subarray(0, 64))
  server.uploads.clear()
  server.requests.length = 0
  return { fileStart, lengthBytes }
}

/** What is read of any file from now on, as [first byte, length]. `gate` may hold a read up. */
function watchReads(gate: (at: number) => Promise<void> = async () => {}): [number, number][] {
  const reads: [number, number][] = []
  const read = handles.read
  mock.method(handles, 'read', async function (this: FileHandle, ...args: unknown[]) {
    const at = args[3] as number
    await gate(at)
    const done = await (Reflect.apply(read, this, args) as ReturnType<FileHandle['read']>)
    reads.push([at, done.bytesRead])
    return done
  })
  return reads
}

function sizeOf(reads: readonly [number, number][]): number {
  return reads.reduce((sum, [, length]) => sum + length, 0)
}

describe('invariant 6: an upload that breaks off continues from the byte where it stopped', () => {
  for (const how of ['reset', 'session', 'fin'] as const) {
    test(`after a break by ${how}, wherever it was`, async () => {
      const { fileStart, lengthBytes } = await messageShape()
      const fileEnd = fileStart + fileBytes
      const places = [
        1,
        fileStart - 1,
        fileStart,
        fileStart + 1_500_001,
        fileEnd,
        fileEnd + 20,
        lengthBytes - 40,
        lengthBytes - 1,
      ]
      for (const place of places) {
        server.uploads.clear()
        server.requests.length = 0
        const thread = startThread()
        await breakOnce(thread, place, how)
        assertStored(await upload(thread))
        assert.deepEqual(server.seen(), ['POST 0', 'HEAD 0', `PATCH ${place}`])
        assert.equal(server.requests[2]?.receivedBytes, lengthBytes - place)
        assert.ok(server.only().received.subarray(fileStart, fileEnd).equals(content))
      }
    })
  }

  test('again and again', async () => {
    const thread = startThread()
    const places = [100, 400_000, 400_001, 1_700_000, 2_999_000]
    for (const place of places) await breakOnce(thread, place)
    assertStored(await upload(thread))
    const patches = places.flatMap((place) => ['HEAD 0', `PATCH ${place}`])
    assert.deepEqual(server.seen(), ['POST 0', ...patches])
  })

  test('after a restart of the daemon', async () => {
    await breakOnce(startThread(), 2_000_000)
    const { lengthBytes } = server.only()
    assertStored(await upload(startThread()))
    assert.deepEqual(server.seen(), ['POST 0', 'POST 0', 'PATCH 2000000'])
    assert.equal(server.requests[2]?.receivedBytes, lengthBytes - 2_000_000)
  })

  test('after it was stopped', async () => {
    const thread = startThread()
    let stop = () => {}
    const result = await upload(thread, {
      onSent: () => stop(),
      onStoppable: (how) => {
        stop = how
      },
    })
    assert.equal(result.failure?.kind, 'stopped')
    assertStored(await upload(thread))
    assert.deepEqual(
      server.requests.map(({ method }) => method),
      ['POST', 'HEAD', 'PATCH'],
    )
  })

  test('after a read error in its middle', async () => {
    const thread = startThread()
    watchReads(async (at) => {
      if (at >= 1_000_000) throw Object.assign(new Error('bad sector'), { code: 'EIO' })
    })
    const result = await upload(thread)
    assert.deepEqual(result.files, [{ status: 'unreadable', errno: 'EIO' }])
    mock.restoreAll()
    assertStored(await upload(thread))
    assert.equal(server.requests[2]?.method, 'PATCH')
    assert.ok(server.requests[2].fromByte > 900_000)
  })

  test('with nothing left to send', async () => {
    const { lengthBytes } = await messageShape()
    await breakOnce(startThread(), lengthBytes)
    assertStored(await upload(startThread()))
    assert.deepEqual(server.seen(), ['POST 0', 'POST 0', `PATCH ${lengthBytes}`])
    assert.equal(server.requests[2]?.receivedBytes, 0)
  })

  test('from its beginning where the receiver has forgotten it', async () => {
    const thread = startThread()
    await breakOnce(thread, 1_000_000)
    server.uploads.clear()
    assertStored(await upload(thread))
    assert.deepEqual(server.seen(), ['POST 0', 'HEAD 0', 'POST 0'])
  })

  test('from less than it had, where the receiver has lost some of it', async () => {
    const thread = startThread()
    await breakOnce(thread, 2_000_000)
    const known = server.only()
    known.received = known.received.subarray(0, 500_000)
    assertStored(await upload(thread))
    assert.deepEqual(server.seen(), ['POST 0', 'HEAD 0', 'PATCH 500000'])
  })
})

describe('what is read', () => {
  test('a break costs no reading again: only what did not arrive is read', async () => {
    const { fileStart } = await messageShape()
    const thread = startThread()
    await breakOnce(thread, fileStart + 2_000_000)
    const reads = watchReads()
    assertStored(await upload(thread))
    assert.equal(Math.min(...reads.map(([at]) => at)), 2_000_000)
    assert.equal(sizeOf(reads), 1_000_000)
  })

  test('an upload without a break reads every byte once', async () => {
    const reads = watchReads()
    assertStored(await upload(startThread()))
    assert.equal(sizeOf(reads), fileBytes)
  })

  test('after a restart the rest is sent while the prefix is hashed, and only the digests wait', async () => {
    const { fileStart } = await messageShape()
    await breakOnce(startThread(), fileStart + 2_000_000)
    const prefix = Promise.withResolvers<void>()
    watchReads((at) => (at < 2_000_000 ? prefix.promise : Promise.resolve()))
    const result = upload(startThread())
    while (patchedBytes() < 1_000_000) await wait(5)
    assert.equal(patchedBytes(), 1_000_000)
    prefix.resolve()
    assertStored(await result)
  })

  test('a break while the digests wait leaves what was hashed hashed', async () => {
    const { fileStart } = await messageShape()
    await breakOnce(startThread(), fileStart + 1_000_000)
    const later = Promise.withResolvers<void>()
    const thread = startThread()
    const early = watchReads((at) => (at >= 500_000 && at < 1_000_000 ? later.promise : wait(0)))
    const result = upload(thread)
    while (patchedBytes() !== 2_000_000) await wait(5)
    while (!early.some(([at, length]) => at < 500_000 && at + length >= 500_000)) await wait(5)
    await thread.lane.destroy(new Error('the link broke'))
    later.resolve()
    assert.equal((await result).failure?.kind, 'connection_lost')
    mock.restoreAll()
    const reads = watchReads()
    assertStored(await upload(thread))
    assert.ok(Math.min(...reads.map(([at]) => at)) >= 500_000)
  })

  test('while only the hash is missing, the connection shows that it is alive', async () => {
    const { fileStart } = await messageShape()
    await breakOnce(startThread(), fileStart + fileBytes)
    const prefix = Promise.withResolvers<void>()
    watchReads(() => prefix.promise)
    // A sign of life every 400 ms; nothing for 1.6 s would end the connection.
    const result = upload(startThread(1600))
    for (let looks = 0; looks < 200 && patchedBytes() < 3; looks += 1) await wait(20)
    assert.ok(patchedBytes() >= 3)
    prefix.resolve()
    assertStored(await result)
  })
})

/** Of the last request that went on with an upload. */
function patchedBytes(): number {
  return server.requests.findLast(({ method }) => method === 'PATCH')?.receivedBytes ?? 0
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

describe('an answer that was lost', () => {
  test('is asked for, and nothing is read again', async () => {
    const thread = startThread()
    server.loseNextAnswer()
    assert.equal((await upload(thread)).failure?.kind, 'connection_lost')
    const reads = watchReads()
    assertStored(await upload(thread), 'already_stored')
    assert.deepEqual(server.seen(), ['POST 0', 'HEAD 0', 'GET 0'])
    assert.deepEqual(reads, [])
  })

  test('invariant 1: counts after a restart only with what the new process has read', async () => {
    server.loseNextAnswer()
    await upload(startThread())
    const reads = watchReads()
    assertStored(await upload(startThread()), 'already_stored')
    assert.deepEqual(server.seen(), ['POST 0', 'POST 0'])
    assert.ok(
      (server.requests[1]?.receivedBytes ?? 0) < fileBytes,
      'it was answered before its end',
    )
    assert.ok(sizeOf(reads) >= fileBytes)
  })

  test('invariant 1: is worth nothing when the file changes while it is hashed', async () => {
    server.loseNextAnswer()
    await upload(startThread())
    watchReads(async (at) => {
      if (at > 2_000_000) utimesSync(path, 1, 1)
    })
    assert.deepEqual((await upload(startThread())).files, [{ status: 'changed' }])
    assert.equal(server.uploads.size, 1, 'what is stored is not cancelled')
  })

  test('invariant 1: is not asked for again when the file has changed since', async () => {
    const thread = startThread()
    server.loseNextAnswer()
    await upload(thread)
    appendFileSync(path, 'more')
    assert.deepEqual((await upload(thread)).files, [{ status: 'changed' }])
    assert.deepEqual(server.seen(), ['POST 0'], 'and what may be stored is not cancelled')
  })
})

describe('invariant 1: a file that changes', () => {
  test('while it is sent is cancelled, and not answered for', async () => {
    let touched = false
    const result = await upload(startThread(), {
      onSent: () => {
        if (!touched) appendFileSync(path, 'more')
        touched = true
      },
    })
    assert.deepEqual(result.files, [{ status: 'changed' }])
    assert.deepEqual(server.seen(), ['POST 0', 'DELETE 0'])
    assert.equal(server.uploads.size, 0)
  })

  test('after a break is cancelled', async () => {
    const thread = startThread()
    await breakOnce(thread, 1_000_000)
    appendFileSync(path, 'more')
    assert.deepEqual((await upload(thread)).files, [{ status: 'changed' }])
    assert.deepEqual(server.seen(), ['POST 0', 'DELETE 0'])
    assert.equal(server.uploads.size, 0)
  })

  test('after a break, and is offered as it is now, is a new upload', async () => {
    const thread = startThread()
    await breakOnce(thread, 1_000_000)
    const [oldId] = server.uploads.keys()
    const changed = Buffer.concat([content, Buffer.from('more')])
    writeFileSync(path, changed)
    const result = await upload(thread, {}, shardFile(path, folder))
    assert.equal(answered(result).digest, blake3(changed))
    assert.equal(answered(result).outcome.digest, blake3(changed))
    assert.deepEqual(server.seen(), ['POST 0', 'DELETE 0', 'POST 0'])
    assert.ok(!server.uploads.has(oldId!))
  })

  test('only in its ctime after a break is a new upload too', async () => {
    const thread = startThread()
    await breakOnce(thread, 1_000_000)
    const before = join(folder, 'times')
    writeFileSync(before, '')
    execFileSync('touch', ['--reference', path, before])
    const changed = Buffer.from(content)
    changed[5] = changed[5]! ^ 1
    writeFileSync(path, changed)
    execFileSync('touch', ['--reference', before, path])
    assert.deepEqual(shardFile(path, folder), file, 'the scan sees no difference')
    const result = await upload(thread)
    assert.equal(answered(result).digest, blake3(changed))
    assert.equal(answered(result).outcome.digest, blake3(changed))
    assert.deepEqual(server.seen(), ['POST 0', 'DELETE 0', 'POST 0'])
  })

  test('while it is sent a second time is found to have changed before its digests go out', async () => {
    let sentBytes = 0
    server.refuseNextDigests()
    const result = await upload(startThread(), {
      onSent: (sizeBytes) => {
        sentBytes += sizeBytes
        if (sentBytes > fileBytes + 1_000_000) appendFileSync(path, 'more')
      },
    })
    assert.deepEqual(result.files, [{ status: 'changed' }])
  })
})

test('a file that is gone for a while goes on where it was when it is back', async () => {
  const thread = startThread()
  await breakOnce(thread, 1_000_000)
  renameSync(folder, `${folder}-unmounted`)
  assert.deepEqual((await upload(thread)).files, [{ status: 'gone' }])
  renameSync(`${folder}-unmounted`, folder)
  assertStored(await upload(thread))
  assert.deepEqual(server.seen(), ['POST 0', 'HEAD 0', 'PATCH 1000000'])
})

test('requests without a body are answered over TLS, and say how far an upload is', async () => {
  const thread = startThread()
  await breakOnce(thread, 1_234_567)
  const [id] = server.uploads.keys()
  const send = (method: 'HEAD' | 'GET' | 'DELETE') =>
    thread.lane.send({ method, path: `/v1/uploads/${id}`, headers: {}, body: null })
  for (const method of ['HEAD', 'GET', 'HEAD'] as const) {
    const answer = await send(method)
    assert.ok(!('kind' in answer))
    assert.equal(answer.status, 204)
    assert.deepEqual(answer.upload, { offset: 1_234_567, complete: false })
  }
  const deleted = await send('DELETE')
  assert.ok(!('kind' in deleted))
  assert.equal(deleted.status, 204)
  for (const method of ['HEAD', 'GET', 'DELETE'] as const) {
    const answer = await send(method)
    assert.ok('kind' in answer)
    assert.equal(answer.status, 404)
    assert.equal(answer.problemCode, method === 'HEAD' ? 'unknown' : 'not_found')
  }
})

test('an upload that is stopped is not cancelled', async () => {
  let stop = () => {}
  const result = await upload(startThread(), {
    onSent: () => stop(),
    onStoppable: (how) => {
      stop = how
    },
  })
  assert.equal(result.failure?.kind, 'stopped')
  assert.equal(server.uploads.size, 1)
  assert.ok(!server.seen().includes('DELETE 0'))
})

test('a prefix that arrived damaged is not gone on with a second time', async () => {
  const thread = startThread()
  await breakOnce(thread, 2_000_000)
  const { received } = server.only()
  received[1_000_000] = received[1_000_000]! ^ 1
  const mismatch = answered(await upload(thread))
  assert.equal(mismatch.outcome.reason, 'digest_mismatch')
  assert.equal(mismatch.digest, contentDigest)
  server.requests.length = 0
  assertStored(await upload(thread))
  assert.deepEqual(server.seen(), ['POST 0'])
})

test('a receiver that agrees to no offset is asked three times, and the failure reported', async () => {
  server.neverAgree()
  await breakOnce(startThread(), 1_000_000)
  server.requests.length = 0
  const { failure, files } = await upload(startThread())
  assert.equal(failure?.kind, 'refused')
  assert.equal(failure.status, 409)
  assert.deepEqual(files, [{ status: 'not_sent' }])
  assert.deepEqual(server.seen(), ['POST 0', 'PATCH 0', 'PATCH 0'])
})

test('a connection with many early answers is replaced, and what is under way on it finishes', async () => {
  const smallPath = join(folder, 'small.bin')
  writeFileSync(smallPath, randomBytes(700_000))
  const small = shardFile(smallPath, folder)
  const thread = startThread()
  server.breakAt(1000, 'reset')
  await upload(thread, {}, small)
  const later = Promise.withResolvers<void>()
  watchReads((at) => (at >= 1_000_000 ? later.promise : Promise.resolve()))
  let sentBytes = 0
  const large = upload(thread, {
    onSent: (sizeBytes) => {
      sentBytes += sizeBytes
    },
  })
  while (sentBytes < 1_000_000) await wait(5)
  server.neverAgree()
  for (let n = 0; n < 6; n += 1) {
    const fresh = { ...thread, unfinished: new UnfinishedUploads() }
    assert.equal((await upload(fresh, {}, small)).failure?.status, 409)
  }
  assert.ok(server.connections > 1)
  later.resolve()
  assertStored(await large)
})
