import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { buildMessage } from '../../support/message.ts'
import {
  encodeFrame,
  encodeHeaders,
  flags,
  frameTypes,
  RawHttp2,
  uploadRequest,
} from '../support/raw-http2.ts'
import {
  ask,
  basic,
  type RunningReceiver,
  startRunning,
  until,
  upload,
} from '../support/receiver.ts'

const message = buildMessage([{ path: '/a', bytes: 'a' }])

async function assertStillServes(receiver: RunningReceiver): Promise<void> {
  const answer = await upload(receiver.connect(), receiver.robot, message)
  assert.equal(answer.status, 200)
}

async function connectedTls(
  t: TestContext,
  { port, caPem }: RunningReceiver,
  protocols: string[] | undefined,
): Promise<TLSSocket> {
  const socket = connectTls({
    port,
    host: 'localhost',
    ca: caPem,
    ...(protocols !== undefined && { ALPNProtocols: protocols }),
  })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

async function connectedTcp(t: TestContext, { port }: RunningReceiver): Promise<Socket> {
  const socket = connectTcp(port, 'localhost')
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

for (const protocols of [undefined, ['http/1.1'], ['http/1.0', 'http/1.1']]) {
  test(`A client of HTTP/1.1 (ALPN: ${protocols ?? 'none'}) is told in HTTP/1.1 what is wrong.`, async (t) => {
    // Its connection is gone when it closes it, long before the receiver would drop it.
    const receiver = await startRunning(t, { limits: { handshakeMs: 60_000 } })
    const before = readdirSync('/proc/self/fd').length
    const socket = await connectedTls(t, receiver, protocols)
    let text = ''
    socket.on('data', (bytes) => {
      text += bytes
    })
    socket.write(`POST /v1/uploads HTTP/1.1\r\nHost: x\r\n\r\n${'x'.repeat(100_000)}`)
    await once(socket, 'end')
    assert.match(text, /^HTTP\/1\.1 505 /)
    assert.match(text, /speaks HTTP\/2/)
    await until(() => readdirSync('/proc/self/fd').length <= before)
    await assertStillServes(receiver)
  })
}

test('A client that offers both protocols gets HTTP/2, one that offers neither gets no connection.', async (t) => {
  const receiver = await startRunning(t)
  const both = await connectedTls(t, receiver, ['http/1.1', 'h2'])
  assert.equal(both.alpnProtocol, 'h2')
  const { port, caPem: ca } = receiver
  const neither = connectTls({ port, host: 'localhost', ca, ALPNProtocols: ['spdy/3'] })
  await assert.rejects(once(neither, 'secureConnect'), {
    code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
  })
  await assertStillServes(receiver)
})

test('A client of HTTP/1.1 that never closes its end is dropped.', async (t) => {
  const receiver = await startRunning(t, { limits: { handshakeMs: 40 } })
  const raw = connectTcp({ port: receiver.port, host: 'localhost', allowHalfOpen: true })
  t.after(() => raw.destroy())
  const socket = connectTls({ socket: raw, servername: 'localhost', ca: receiver.caPem })
  await once(socket, 'secureConnect')
  const errors = once(socket, 'error')
  socket.resume()
  // Not an end, which it would not answer: the receiver has dropped the connection.
  const poke = setInterval(() => raw.write('x'), 10)
  t.after(() => clearInterval(poke))
  await Promise.race([errors, once(raw, 'close')])
  await assertStillServes(receiver)
})

test('A connection that is reset at any moment harms nobody.', async (t) => {
  const receiver = await startRunning(t)
  for (const protocols of [undefined, ['http/1.1'], ['h2']]) {
    for (const delayMs of [-1, 0, 1, 2, 5]) {
      const raw = await connectedTcp(t, receiver)
      const socket = connectTls({
        socket: raw,
        servername: 'localhost',
        ca: receiver.caPem,
        ...(protocols !== undefined && { ALPNProtocols: protocols }),
      })
      socket.on('error', () => {})
      if (delayMs >= 0) {
        await once(socket, 'secureConnect')
        socket.write('GET / HTTP/1.1\r\n\r\n')
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
      }
      raw.resetAndDestroy()
    }
  }
  await assertStillServes(receiver)
})

test('What is not TLS, and TLS that nobody finishes, is dropped.', async (t) => {
  const receiver = await startRunning(t, { limits: { handshakeMs: 40 } })
  const startOfHello = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
  await Promise.all(
    ['GET / HTTP/1.1\r\n\r\n', '', startOfHello].map(async (bytes) => {
      const socket = await connectedTcp(t, receiver)
      const closed = once(socket.resume(), 'close')
      socket.write(bytes)
      await closed
    }),
  )
  await assertStillServes(receiver)
})

test('Who does not show who it is, is dropped after a while, however busy it is.', async (t) => {
  const receiver = await startRunning(t, { limits: { strangerMs: 80 } })
  const member = receiver.connect()
  assert.equal((await upload(member, receiver.robot, message)).status, 200)
  const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
  raw.acknowledgeSettings()
  const pings = setInterval(() => raw.send(frameTypes.ping, 0, 0, Buffer.alloc(8)), 5)
  t.after(() => clearInterval(pings))
  const stranger = receiver.connect()
  const wrong = { ':path': '/v1/machine', authorization: basic('robot', 'wrong') }
  await until(async () => {
    if (!stranger.destroyed && !stranger.closed) await ask(stranger, wrong).catch(() => {})
    return stranger.destroyed
  })
  await until(() => raw.isClosed)
  assert.equal((await upload(member, receiver.robot, message)).status, 200)
})

test('invariant 9: streams beyond the limit are refused, those within it are served.', async (t) => {
  const receiver = await startRunning(t, { limits: { streamsPerConnection: 20 } })
  const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
  raw.acknowledgeSettings()
  for (let index = 0; index < 60; index += 1) {
    raw.openStream(index * 2 + 1, uploadRequest(receiver.robot, 1000))
  }
  await until(() => raw.received(frameTypes.resetStream).length === 40 || raw.isClosed)
  assert.ok(raw.received(frameTypes.resetStream).every(({ streamId }) => streamId > 40))
  await assertStillServes(receiver)
})

test('invariant 9: thousands of idle streams on many connections are given up.', async (t) => {
  const receiver = await startRunning(t, { limits: { streamIdleMs: 400 } })
  const peers = await Promise.all(
    Array.from({ length: 16 }, () => RawHttp2.connect(t, receiver.port, receiver.caPem)),
  )
  for (const peer of peers) {
    peer.acknowledgeSettings()
    for (let index = 0; index < 128; index += 1) {
      peer.openStream(index * 2 + 1, uploadRequest(receiver.robot, 1000))
    }
  }
  await assertStillServes(receiver)
  const resets = () => peers.map((peer) => peer.received(frameTypes.resetStream).length)
  await until(() => resets().every((count) => count === 128))
})

test('invariant 9: too many header fields, and too long ones, cost the sender its stream or connection.', async (t) => {
  const receiver = await startRunning(t)
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`x-${index}`, 'y']))
  const long = { 'x-long': 'z'.repeat(20_000) }
  for (const more of [many, long]) {
    const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
    raw.acknowledgeSettings()
    const block = encodeHeaders({ ...uploadRequest(receiver.robot, 1000), ...more })
    for (let at = 0; at < block.length; at += 16_000) {
      const isLast = at + 16_000 >= block.length
      const type = at === 0 ? frameTypes.headers : frameTypes.continuation
      raw.send(type, isLast ? flags.endHeaders : 0, 1, block.subarray(at, at + 16_000))
    }
    await until(() => raw.received(frameTypes.resetStream, 1).length > 0 || raw.isClosed)
    assert.deepEqual(raw.received(frameTypes.headers), [], 'not served')
  }
  await assertStillServes(receiver)
})

test('invariant 9: a header block that never ends is cut off.', async (t) => {
  const receiver = await startRunning(t)
  const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
  raw.acknowledgeSettings()
  raw.send(frameTypes.headers, 0, 1, encodeHeaders(uploadRequest(receiver.robot, 1000)))
  const more = encodeFrame(
    frameTypes.continuation,
    0,
    1,
    encodeHeaders({ 'x-y': 'z'.repeat(8000) }),
  )
  await until(() => {
    raw.socket.write(more)
    return raw.isClosed
  })
  await assertStillServes(receiver)
})

test('invariant 9: floods of pings and of resets end the connection that sends them.', async (t) => {
  const receiver = await startRunning(t)
  const floods: ((raw: RawHttp2, index: number) => void)[] = [
    (raw) => raw.send(frameTypes.ping, 0, 0, Buffer.alloc(8)),
    (raw, index) => {
      raw.openStream(index * 2 + 1, uploadRequest(receiver.robot, 1000))
      raw.send(frameTypes.resetStream, 0, index * 2 + 1, Buffer.from([0, 0, 0, 8]))
    },
  ]
  for (const flood of floods) {
    const raw = await RawHttp2.connect(t, receiver.port, receiver.caPem)
    raw.acknowledgeSettings()
    // Nothing is read meanwhile, so that answers pile up at the receiver.
    raw.socket.pause()
    for (let index = 0; index < 20_000 && !raw.isClosed; index += 1) {
      flood(raw, index)
      if (index % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    raw.socket.resume()
    await until(() => raw.isClosed || raw.received(frameTypes.goAway).length > 0)
  }
  await assertStillServes(receiver)
})

test('invariant 9: bytes that pile up unread are bounded, and what holds most of them is cut off.', async (t) => {
  // A quarter of it may wait unread, an eighth is for bundles: room for one.
  const memoryBytes = 32 * 1024 * 1024
  const limits = { unreadCheckMs: 10 }
  const receiver = await startRunning(t, { memoryBytes, limits })
  const holder = await RawHttp2.connect(t, receiver.port, receiver.caPem)
  holder.acknowledgeSettings()
  holder.openStream(1, uploadRequest(receiver.robot, 4_000_000))
  await new Promise((resolve) => setTimeout(resolve, 20))
  // These wait for room. One lets it come in crumbs, which cost many times their size.
  const peer = await RawHttp2.connect(t, receiver.port, receiver.caPem)
  peer.acknowledgeSettings()
  for (const streamId of [1, 3]) peer.openStream(streamId, uploadRequest(receiver.robot, 4_000_000))
  peer.send(frameTypes.data, 0, 1, Buffer.alloc(1000))
  const crumb = encodeFrame(frameTypes.data, 0, 3, Buffer.alloc(1))
  peer.socket.write(Buffer.concat(Array.from({ length: 60_000 }, () => crumb)))
  await until(() => peer.received(frameTypes.resetStream, 3).length > 0)
  assert.deepEqual(peer.received(frameTypes.resetStream, 1), [])
  // With what they hold the machine has its share of the room.
  holder.socket.destroy()
  peer.socket.destroy()
  await assertStillServes(receiver)
})
