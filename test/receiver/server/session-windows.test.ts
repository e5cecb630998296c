import assert from 'node:assert/strict'
import type { ClientHttp2Session } from 'node:http2'
import { type TestContext, test } from 'node:test'
import { bytePath } from '../../../src/base/byte-path.ts'
import { blake3 } from '../../../src/base/hash.ts'
import { defaultLimits } from '../../../src/receiver/server/limits.ts'
import { windows } from '../../../src/receiver/server/window-size.ts'
import { encodeManifest } from '../../../src/wire/manifest-codec.ts'
import { layOutMessage } from '../../../src/wire/multipart-layout.ts'
import { FaultyLink } from '../../support/faulty-link.ts'
import { buildMessage, plainLabels } from '../../support/message.ts'
import { flags, frameTypes, RawHttp2 } from '../support/raw-http2.ts'
import {
  answerOf,
  ask,
  basic,
  type RunningReceiver,
  startRunning,
  until,
  upload,
  uploadHeaders,
} from '../support/receiver.ts'

const small = buildMessage([{ path: '/small', bytes: 'small' }])
const fast = { windowProbeMs: 1 }

/** Sends one file of a TiB, as fast as the windows let it; the test resets it. */
function pour(session: ClientHttp2Session, robot: string) {
  const path = bytePath('/endless')
  const file = { path, sizeBytes: 2 ** 40, mtimeNs: 1n, ctimeNs: 1n, labels: plainLabels }
  const manifest = encodeManifest({ files: [file] })
  const uploadId = blake3(manifest)
  const layout = layOutMessage(manifest, uploadId, [file.sizeBytes])
  const stream = session.request({
    ':method': 'POST',
    ':path': '/v1/uploads',
    authorization: robot,
    'content-type': layout.contentType,
    'content-length': layout.contentLength,
    'idempotency-key': `"${uploadId}"`,
    'upload-complete': '?1',
  })
  stream.on('error', () => {})
  stream.write(layout.head)
  stream.write(layout.beforeFile)
  const piece = Buffer.alloc(256 * 1024)
  const more = () => {
    while (!stream.destroyed && stream.write(piece));
  }
  stream.on('drain', more)
  more()
  return stream
}

/** The port of a link on which a flow-control window matters. */
async function lateLink(t: TestContext, toPort: number): Promise<number> {
  const link = await FaultyLink.open(toPort, { delayMs: 5 })
  t.after(() => link.close())
  return link.port
}

function remoteWindow(session: ClientHttp2Session): number {
  return session.state.remoteWindowSize ?? 0
}

function streamWindow(session: ClientHttp2Session): number {
  return session.remoteSettings.initialWindowSize ?? 0
}

async function admitted(receiver: RunningReceiver, port?: number): Promise<ClientHttp2Session> {
  const session = receiver.connect(port)
  assert.equal((await upload(session, receiver.robot, small)).status, 200)
  return session
}

test('A connection gets its start windows when its sender has shown who it is, not before.', async (t) => {
  const receiver = await startRunning(t)
  const session = receiver.connect()
  const wrong = { ':path': '/v1/machine', authorization: basic('robot', 'wrong') }
  assert.equal((await ask(session, wrong)).status, 401)
  assert.equal(streamWindow(session), windows.beforeAuthenticationBytes)
  assert.ok(remoteWindow(session) <= windows.beforeAuthenticationBytes)
  assert.equal(receiver.receiver.grantedBytes, 0)
  await upload(session, receiver.robot, small)
  await until(() => streamWindow(session) === windows.startBytes / 2)
  await until(() => remoteWindow(session) > windows.startBytes * 0.9)
  assert.equal(receiver.receiver.grantedBytes, windows.startBytes)
  session.destroy()
  await until(() => receiver.receiver.grantedBytes === 0)
})

test('The windows of a sender that fills them grow, and fall back when it is idle.', async (t) => {
  const receiver = await startRunning(t, {
    store: 'null',
    limits: { ...fast, windowIdleMs: 30 },
  })
  const session = receiver.connect(await lateLink(t, receiver.port))
  const stream = pour(session, receiver.robot)
  await until(() => receiver.receiver.grantedBytes >= windows.startBytes * 4)
  await until(() => streamWindow(session) >= windows.startBytes * 2)
  assert.ok(receiver.receiver.grantedBytes <= windows.maxBytes)
  stream.destroy(new Error('enough'))
  await until(() => receiver.receiver.grantedBytes === windows.startBytes)
  await until(() => streamWindow(session) === windows.startBytes / 2)
})

test('invariant 7: windows never exceed their limit together, and beyond it new connections stay small.', async (t) => {
  // A quarter of it: three start windows, and a little.
  const overBytes = 100_000 - windows.beforeAuthenticationBytes
  const limitBytes = 3 * windows.startBytes + 100_000
  const receiver = await startRunning(t, {
    store: 'null',
    memoryBytes: limitBytes * 4,
    limits: { ...fast, unreadCheckMs: defaultLimits.streamIdleMs },
  })
  const sessions: ClientHttp2Session[] = []
  let highest = 0
  const watch = setInterval(() => {
    highest = Math.max(highest, receiver.receiver.grantedBytes)
  }, 1)
  t.after(() => clearInterval(watch))
  const slowPort = await lateLink(t, receiver.port)
  const first = receiver.connect(slowPort)
  const streams = [pour(first, receiver.robot)]
  // Alone it takes all there is.
  await until(() => receiver.receiver.grantedBytes === limitBytes)
  for (let index = 0; index < 3; index += 1) {
    const session = await admitted(receiver, slowPort)
    streams.push(pour(session, receiver.robot))
    sessions.push(session)
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.ok(highest <= limitBytes, `${highest} of ${limitBytes}`)
  // The first had to give some of its own back to the next, and the last got no start window.
  // What little is left over goes to whoever asks first.
  const given = streamWindow(sessions[0]!) - windows.startBytes / 2
  assert.ok(given >= 0 && given <= overBytes / 2, `${given} more than its start window`)
  assert.equal(streamWindow(sessions[2]!), windows.beforeAuthenticationBytes)
  for (const stream of streams) stream.destroy(new Error('enough'))
  for (const session of [first, ...sessions]) session.destroy()
  await until(() => receiver.receiver.grantedBytes === 0)
})

test('Many streams on one connection share its window.', async (t) => {
  const receiver = await startRunning(t, { limits: { ...fast, windowIdleMs: 60_000 } })
  const session = await admitted(receiver)
  const open = Array.from({ length: 8 }, () => {
    const stream = session.request(uploadHeaders(receiver.robot, small))
    const answer = answerOf(stream)
    stream.write(small.body.subarray(0, 10))
    return { stream, answer }
  })
  await until(() => streamWindow(session) <= windows.startBytes / 8)
  for (const { stream } of open) stream.end(small.body.subarray(10))
  for (const { answer } of open) assert.equal((await answer)?.status, 200)
  assert.equal((await upload(session, receiver.robot, small)).status, 200)
  await until(() => streamWindow(session) === windows.startBytes / 2)
})

test('invariant 9: a sender that never answers a PING or SETTINGS gets no more than its start window.', async (t) => {
  const receiver = await startRunning(t, { limits: fast })
  const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
  for (let index = 0; index < 20; index += 1) {
    const streamId = index * 2 + 1
    raw.openStream(streamId, {
      ':method': 'POST',
      ':path': '/v1/uploads',
      ':scheme': 'https',
      ':authority': 'localhost',
      authorization: receiver.robot,
      'content-type': small.contentType,
      'content-length': small.body.length,
    })
    raw.send(frameTypes.data, flags.endStream, streamId, small.body)
    await until(() => raw.received(frameTypes.headers, streamId).length > 0)
  }
  assert.equal(receiver.receiver.grantedBytes, windows.startBytes)
  assert.ok(raw.received(frameTypes.ping).length <= 1)
})
