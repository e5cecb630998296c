import assert from 'node:assert/strict'
import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { blake3 } from '../../../src/base/hash.ts'
import { FinishedUploads } from '../../../src/receiver/resume/finished-uploads.ts'
import { buildMessage } from '../../support/message.ts'
import { ask, type RunningReceiver, startRunning, until } from '../support/receiver.ts'
import { ResumingClient } from '../support/resume.ts'
import { newStores } from '../support/stores.ts'

const bytes = Buffer.alloc(1_200_000, 'large')

/** Begins so many uploads, each with its first bytes, and starts the receiver again. */
async function beginMany(t: TestContext, count: number) {
  const first = await startRunning(t)
  const messages = Array.from({ length: count }, (_, index) =>
    buildMessage([{ path: `/large-${index}`, bytes }]),
  )
  const session = first.connect()
  for (const { contentType, uploadId, body } of messages) {
    const created = await ask(
      session,
      {
        ':method': 'POST',
        ':path': '/v1/uploads',
        authorization: first.robot,
        'content-type': contentType,
        'content-length': 1000,
        'idempotency-key': `"${uploadId}"`,
        'upload-complete': '?0',
      },
      body.subarray(0, 1000),
    )
    assert.equal(created.status, 201)
  }
  await first.receiver.close()
  const receiver = await startRunning(t, { dataDir: first.dataDir })
  return { receiver: { ...receiver, robot: first.robot }, messages }
}

/** Of this process, which the receiver runs in. */
async function openParts({ dataDir }: RunningReceiver): Promise<number> {
  const descriptors = await readdir('/proc/self/fd')
  const paths = await Promise.all(
    descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')),
  )
  return paths.filter((path) => path.startsWith(dataDir) && path.endsWith('.part')).length
}

/** When it has been the same for a while. */
async function openPartsInTheEnd(receiver: RunningReceiver): Promise<number> {
  let last = 0
  let sameLooks = 0
  await until(async () => {
    const open = await openParts(receiver)
    sameLooks = open === last && open > 0 ? sameLooks + 1 : 0
    last = open
    return sameLooks === 20
  })
  return last
}

for (const method of ['HEAD', 'POST'] as const) {
  test(`invariant 7: whoever asks by ${method} for many uploads has only some of them kept at hand.`, async (t) => {
    const { receiver, messages } = await beginMany(t, 40)
    for (const message of messages) {
      const client = new ResumingClient(receiver, message)
      const answer = method === 'HEAD' ? await client.ask('HEAD') : await client.post()
      assert.equal(answer.headers['upload-offset'], '1000')
      client.session.destroy()
    }
    assert.equal(await openPartsInTheEnd(receiver), 32)
    // Those that were let go of go on all the same.
    const client = new ResumingClient(receiver, messages[0]!)
    assert.equal((await client.patch(1000)).status, 200)
  })
}

test('invariant 7: a machine has at most 256 unfinished uploads, also when it begins many at once.', async (t) => {
  const receiver = await startRunning(t)
  const sessions = Array.from({ length: 4 }, () => receiver.connect())
  const begin = async (index: number) => {
    const headers = {
      ':method': 'POST',
      ':path': '/v1/uploads',
      authorization: receiver.robot,
      'content-disposition': 'attachment; filename="x"',
      'content-length': 1,
      'upload-complete': '?0',
    }
    return (await ask(sessions[index % 4]!, headers, 'x')).status
  }
  for (let round = 0; round < 2; round += 1) {
    const statuses = await Promise.all(Array.from({ length: 300 }, (_, index) => begin(index)))
    // 429 where all of them bring bytes at this very moment.
    assert.ok(statuses.every((status) => status === 201 || status === 429))
  }
  const names = await readdir(join(receiver.dataDir, 'segments'))
  const parts = names.filter((name) => name.endsWith('.part')).length
  assert.ok(parts > 0 && parts <= 256, `${parts}`)
})

test('invariant 7: what is remembered of finished uploads is bounded by their outcomes.', async (t) => {
  const { catalog, segments } = await newStores(t)
  const finished = new FinishedUploads(catalog, segments)
  const digest = blake3(Buffer.from('some bytes'))
  const outcome = { status: 'already_stored', sizeBytes: 10, digest } as const
  const outcomes = Array.from({ length: 1024 }, () => outcome)
  const facts = { kind: 'complete', messageBytes: 100, contentDisposition: '' } as const
  const find = (key: string) => finished.find(key, 'robot', digest)
  for (const key of ['first', 'second', 'second']) {
    finished.add(key, { ...facts, outcomes })
  }
  assert.equal(await find('first'), undefined)
  assert.ok(await find('second'))
  for (let index = 0; index < 900; index += 1) {
    finished.add(`small-${index}`, { ...facts, outcomes: [outcome] })
  }
  assert.ok(await find('second'), 'counted once')
  assert.ok(await find('small-0'))
})

test('invariant 9: a machine that breaks off again and again does not fill the log.', async (t) => {
  const receiver = await startRunning(t, { limits: { logLines: 3, logLineEveryMs: 1_000_000 } })
  for (let index = 0; index < 6; index += 1) {
    const client = new ResumingClient(receiver, buildMessage([{ path: `/${index}`, bytes }]))
    const begun = client.begin(300_000)
    await client.arrived(begun)
    begun.stream.destroy()
    const offset = (await client.offset())!
    assert.equal((await client.patch(offset)).status, 200)
    client.session.destroy()
  }
  const lines = receiver.lines.filter(({ event }) => event === 'upload_resumed')
  assert.equal(lines.length, 3)
})
