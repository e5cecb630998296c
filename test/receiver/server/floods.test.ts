import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildMessage } from '../../support/message.ts'
import { encodeHeaders, flags, frameTypes, RawHttp2, uploadRequest } from '../support/raw-http2.ts'
import { startRunning, until, upload } from '../support/receiver.ts'

/*
 * Frames by the thousand from a peer that reads what it is answered, so that nothing piles up: each
 * costs the receiver more than the sender, and the connection must end. (hostile.test.ts has the peer
 * that does not read.)
 */

const message = buildMessage([{ path: '/a', bytes: 'a' }])
const most = 20_000

type Flood = (raw: RawHttp2, index: number, authorization: string) => void

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Opens an upload, then has the receiver reset it (CVE-2025-8671). */
function madeToReset(...frame: readonly [type: number, flagBits: number, payload: Buffer]): Flood {
  return (raw, index, authorization) => {
    const streamId = index * 2 + 1
    raw.openStream(streamId, uploadRequest(authorization, 10))
    raw.send(frame[0], frame[1], streamId, frame[2])
  }
}

const priorityFrame = 2
const cancel = 8

const floods: Record<string, Flood> = {
  'streams that the sender resets at once (CVE-2023-44487)': (raw, index, authorization) => {
    raw.openStream(index * 2 + 1, uploadRequest(authorization, 1000))
    raw.send(frameTypes.resetStream, 0, index * 2 + 1, uint32(cancel))
  },
  'streams reset for a window update of 0': madeToReset(frameTypes.windowUpdate, 0, uint32(0)),
  'streams reset for too large a window': madeToReset(
    frameTypes.windowUpdate,
    0,
    uint32(0x7fff_ffff),
  ),
  'streams reset for a wrong length': madeToReset(
    frameTypes.data,
    flags.endStream,
    Buffer.alloc(5),
  ),
  'streams reset for a bad priority': madeToReset(priorityFrame, 0, Buffer.alloc(3)),
  'streams beyond the limit': (raw, index, authorization) => {
    raw.openStream(index * 2 + 1, uploadRequest(authorization, 1000))
  },
  'invalid header blocks': (raw, index, authorization) => {
    raw.openStream(index * 2 + 1, { ...uploadRequest(authorization, 1000), Upper: 'x' })
  },
  'headers that contradict their stream': (raw, index, authorization) => {
    const block = encodeHeaders(uploadRequest(authorization, 1000))
    raw.send(frameTypes.headers, flags.endHeaders | flags.endStream, index * 2 + 1, block)
  },
  'empty DATA frames': (raw, index, authorization) => {
    if (index === 0) raw.openStream(1, uploadRequest(authorization, 1000))
    raw.send(frameTypes.data, 0, 1)
  },
  SETTINGS: (raw) => raw.send(frameTypes.settings, 0, 0),
  'SETTINGS acknowledgements': (raw) => raw.send(frameTypes.settings, flags.ack, 0),
  PINGs: (raw) => raw.send(frameTypes.ping, 0, 0, Buffer.alloc(8)),
  'PING answers': (raw) => raw.send(frameTypes.ping, flags.ack, 0, Buffer.alloc(8)),
  'PRIORITY frames': (raw, index) => raw.send(priorityFrame, 0, index * 2 + 1, Buffer.alloc(5)),
}

for (const [what, flood] of Object.entries(floods)) {
  test(`invariant 9: a flood of ${what} ends the connection that sends it, and no other.`, async (t) => {
    const receiver = await startRunning(t)
    const member = receiver.connect()
    assert.equal((await upload(member, receiver.robot, message)).status, 200)
    const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
    raw.acknowledgeSettings()
    let sent = 0
    for (; sent < most && !raw.isClosed; sent += 1) {
      flood(raw, sent, receiver.robot)
      if (sent % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => raw.isClosed)
    assert.ok(sent < most, 'it was cut off while it was at it')
    assert.deepEqual(raw.received(frameTypes.headers), [], 'none was served')
    assert.equal((await upload(member, receiver.robot, message)).status, 200)
  })
}

test('A peer that pings now and then, and changes its settings, keeps its connection.', async (t) => {
  const receiver = await startRunning(t, { limits: { controlFrames: 200 } })
  const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
  raw.acknowledgeSettings()
  for (let index = 0; index < 99; index += 1) {
    raw.send(frameTypes.ping, 0, 0, Buffer.alloc(8))
    raw.send(frameTypes.settings, 0, 0)
  }
  await until(() => raw.received(frameTypes.ping).length === 99)
  assert.equal(raw.isClosed, false)
})
