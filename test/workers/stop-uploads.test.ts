import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Labeller } from '../../workers/labels.ts'
import { Lane } from '../../workers/lane.ts'
import { uploadSingle } from '../../workers/upload-single.ts'
import { shardFile } from '../support/shard-file.ts'
import { makeTestCertificate } from '../support/test-certificate.ts'
import { startTestReceiver, type TestReceiver } from '../support/test-receiver.ts'

/*
 * On HTTP/2, most ways to end an upload leak its stream or hang its thread in native code. These are
 * the two that Longshore uses, each 200 times over TLS with data pending, after which threads,
 * descriptors and memory must be back where they were.
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

function assertBack(before: Held, now: Held): void {
  assert.ok(
    now.descriptors <= before.descriptors + 2,
    `descriptors: ${JSON.stringify([before, now])}`,
  )
  assert.ok(now.threads <= before.threads + 1, `threads: ${JSON.stringify([before, now])}`)
  // 200 leaked uploads would hold 200 rings of 1 MB.
  assert.ok(
    now.bufferBytes < before.bufferBytes + 60 * megabyte,
    `buffers: ${JSON.stringify([before, now])}`,
  )
}

test('200 uploads that end their body early leave nothing behind, on one connection', async () => {
  const lane = new Lane({ ...receiver, stallMs: 60_000 })
  const labeller = new Labeller([])
  const file = shardFile(join(folder, 'large'), folder)
  const stopOne = async (afterBytes: number) => {
    let sentBytes = 0
    let stop = () => {}
    const result = await uploadSingle(file, lane, labeller, {
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
  await stopOne(megabyte)
  const before = await held()
  for (let n = 0; n < times; n += 4) {
    await Promise.all([1, 2, 3, 4].map((part) => stopOne(part * 600_000)))
  }
  assertBack(before, await held())
  const { failure, files } = await uploadSingle(file, lane, labeller, {
    onSent: () => {},
    onStoppable: () => {},
  })
  assert.equal(failure, undefined)
  assert.equal(files[0]?.status, 'answered', 'the connection is still good for a whole upload')
  await lane.destroy(new Error('the test is over'))
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
  const labeller = new Labeller([])
  const file = shardFile(join(folder, 'large'), folder)
  const lane = new Lane({ address, caPem, authorization: 'Basic none', stallMs: 60_000 })
  const giveUpOne = async () => {
    const arrived = new Promise<void>((resolve) => {
      seen = resolve
    })
    const upload = uploadSingle(file, lane, labeller, { onSent: () => {}, onStoppable: () => {} })
    await arrived
    await lane.destroy(new Error('given up'))
    assert.equal((await upload).failure?.kind, 'connection_lost')
  }
  await giveUpOne()
  const before = await held()
  for (let n = 0; n < times; n += 1) await giveUpOne()
  assertBack(before, await held())
  server.close()
})
