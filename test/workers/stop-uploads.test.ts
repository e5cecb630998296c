import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fsPath } from '../../src/base/byte-path.ts'
import { Labeller } from '../../workers/labels.ts'
import { Lane } from '../../workers/lane.ts'
import { UnfinishedUploads } from '../../workers/unfinished-uploads.ts'
import { uploadSingle } from '../../workers/upload-single.ts'
import { ResumableServer } from '../support/resumable-server.ts'
import { shardFile } from '../support/shard-file.ts'
import { makeTestCertificate } from '../support/test-certificate.ts'
import { startTestReceiver, type TestReceiver } from '../support/test-receiver.ts'

/*
 * On HTTP/2, most ways to end an upload leak its stream or hang its thread in native code. These are
 * the two that Longshore uses, and the two that come from the other end, each 200 times over TLS with
 * data pending, after which threads, descriptors and memory must be back where they were.
 */
const times = 200
const fileBytes = 4_000_000
const megabyte = 1_000_000

let folder: string
let receiver: TestReceiver

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'longshore-test-stop-'))
  writeFileSync(join(folder, 'large'), randomBytes(fileBytes))
  receiver = await startTestReceiver()
})

after(async () => {
  await receiver.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Held {
  readonly descriptors: number
  readonly threads: number
  readonly bufferBytes: number
}

async function held(): Promise<Held> {
  // What was closed is given back over some turns of the event loop, and buffers by the collector.
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  globalThis.gc?.()
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    bufferBytes: process.memoryUsage().arrayBuffers,
  }
}

/** The receiver is of this process too, and sees broken uploads off in its own time. */
async function assertBack(before: Held): Promise<void> {
  let now = await held()
  for (let looks = 0; looks < 100 && !isBack(before, now); looks += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    now = await held()
  }
  assert.ok(isBack(before, now), `before and now: ${JSON.stringify([before, now])}`)
}

function isBack(before: Held, now: Held): boolean {
  return (
    now.descriptors <= before.descriptors + 2 &&
    now.threads <= before.threads + 1 &&
    // 200 leaked uploads would hold 200 rings of 1 MB.
    now.bufferBytes < before.bufferBytes + 60 * megabyte
  )
}

/** What one thread knows of uploads that broke off is not shared between these. */
function tools(lane: Lane) {
  return { lane, labeller: new Labeller([]), unfinished: new UnfinishedUploads() }
}

const hooks = { onSent: () => {}, onStoppable: () => {} }

test('200 uploads that end their body early leave nothing behind, on one connection', async () => {
  const lane = new Lane({ ...receiver, stallMs: 60_000 })
  const parts = [1, 2, 3, 4].map((part) => {
    const path = join(folder, `large-${part}`)
    writeFileSync(path, randomBytes(fileBytes))
    return { file: shardFile(path, folder), afterBytes: part * 600_000 }
  })
  const stopOne = async ({ file, afterBytes }: (typeof parts)[number]) => {
    let sentBytes = 0
    let stop = () => {}
    const result = await uploadSingle(file, tools(lane), {
      onSent: (size) => {
        sentBytes += size
        if (sentBytes >= afterBytes) stop()
      },
      onStoppable: (how) => {
        stop = how
      },
    })
    assert.equal(result.failure?.kind, 'stopped')
  }
  await stopOne(parts[0]!)
  const before = await held()
  // From its beginning each time: what has arrived of it is of another file by then.
  for (let n = 0; n < times; n += parts.length) {
    for (const part of parts) {
      utimesSync(fsPath(part.file.path), n, n)
      part.file = shardFile(join(folder, `large-${parts.indexOf(part) + 1}`), folder)
    }
    await Promise.all(parts.map(stopOne))
  }
  await assertBack(before)
  const { failure, files } = await uploadSingle(parts[0]!.file, tools(lane), hooks)
  assert.equal(failure, undefined)
  assert.equal(files[0]?.status, 'answered', 'the connection is still good for a whole upload')
  await lane.destroy(new Error('the test is over'))
})

test('200 uploads that break off at the other end and go on leave nothing behind', async (t) => {
  const server = await ResumableServer.start()
  const lane = new Lane({ ...server, authorization: 'Basic none', stallMs: 60_000 })
  t.after(() => server.close())
  t.after(() => lane.destroy(new Error('the test is over')))
  const thread = tools(lane)
  const path = join(folder, 'breaking')
  writeFileSync(path, randomBytes(fileBytes))
  const file = shardFile(path, folder)
  const breakOne = async (n: number) => {
    server.breakAt(n * 15_000, n % 3 === 0 ? 'session' : 'reset')
    const { failure } = await uploadSingle(file, thread, hooks)
    assert.equal(failure?.kind, 'connection_lost')
  }
  await breakOne(1)
  const before = await held()
  for (let n = 2; n <= times; n += 1) await breakOne(n)
  await assertBack(before)
  const { files } = await uploadSingle(file, thread, hooks)
  assert.ok(files[0]?.status === 'answered')
  assert.equal(files[0].outcome.digest, files[0].digest)
})

test('200 uploads that are answered with their body pending leave nothing behind', async (t) => {
  const server = await ResumableServer.start()
  const lane = new Lane({ ...server, authorization: 'Basic none', stallMs: 60_000 })
  t.after(() => server.close())
  t.after(() => lane.destroy(new Error('the test is over')))
  const file = shardFile(join(folder, 'large'), folder)
  server.breakAt(1_000_000, 'reset')
  await uploadSingle(file, tools(lane), hooks)
  server.neverAgree()
  const answerOne = async () => {
    const { failure } = await uploadSingle(file, tools(lane), hooks)
    assert.equal(failure?.status, 409)
  }
  await answerOne()
  const before = await held()
  for (let n = 0; n < times; n += 3) await answerOne()
  await assertBack(before)
})

test('200 connections given up with data pending leave nothing behind', async () => {
  const { caPem, cert, key } = await makeTestCertificate({ names: ['localhost'] })
  const server = createSecureServer({ cert, key })
  server.on('session', (session) => session.on('error', () => {}))
  let seen: () => void = () => {}
  // Never reads: the window fills up, and what is left stays pending on our side.
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    seen()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = `https://localhost:${(server.address() as AddressInfo).port}`
  const file = shardFile(join(folder, 'large'), folder)
  const lane = new Lane({ address, caPem, authorization: 'Basic none', stallMs: 60_000 })
  const giveUpOne = async () => {
    const arrived = new Promise<void>((resolve) => {
      seen = resolve
    })
    const upload = uploadSingle(file, tools(lane), hooks)
    await arrived
    await lane.destroy(new Error('given up'))
    assert.equal((await upload).failure?.kind, 'connection_lost')
  }
  await giveUpOne()
  const before = await held()
  for (let n = 0; n < times; n += 1) await giveUpOne()
  await assertBack(before)
  server.close()
})
