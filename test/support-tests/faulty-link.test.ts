import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { until } from '../receiver/support/receiver.ts'
import { FaultyLink } from '../support/faulty-link.ts'
import type { LinkState } from '../support/link-state.ts'
import { SeededRandom } from '../support/seeded-random.ts'

interface End {
  readonly socket: Socket
  /** All that arrived. */
  readonly bytes: () => Buffer
  /** `fin`, `rst`, or undefined while it stands. */
  ended(): 'fin' | 'rst' | undefined
}

function follow(socket: Socket): End {
  const pieces: Buffer[] = []
  let ended: 'fin' | 'rst' | undefined
  socket.on('data', (bytes) => pieces.push(bytes))
  socket.on('end', () => {
    ended ??= 'fin'
  })
  socket.on('error', () => {
    ended ??= 'rst'
  })
  return { socket, bytes: () => Buffer.concat(pieces), ended: () => ended }
}

async function listener(t: TestContext) {
  const ends: End[] = []
  const server = createServer((socket) => ends.push(follow(socket)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const { socket } of ends) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, ends }
}

/** A link, and what connects both ends through it. */
async function linked(t: TestContext, state: Partial<LinkState> = {}) {
  const { port, ends } = await listener(t)
  const link = await FaultyLink.open(port, state)
  t.after(() => link.close())
  const join = async () => {
    const count = ends.length
    const near = follow(connect(link.port, '127.0.0.1'))
    t.after(() => near.socket.destroy())
    await until(() => ends.length > count || near.ended() !== undefined)
    return { near, far: ends[count]! }
  }
  return { link, join, ends }
}

const random = new SeededRandom(7)

test('A link without faults carries all bytes both ways, and the ends.', async (t) => {
  const { link, join } = await linked(t)
  const { near, far } = await join()
  const up = random.bytes(3_000_000)
  const down = random.bytes(2_000_000)
  near.socket.end(up)
  far.socket.end(down)
  await until(() => near.ended() === 'fin' && far.ended() === 'fin')
  assert.ok(far.bytes().equals(up))
  assert.ok(near.bytes().equals(down))
  assert.equal(link.upBytes, up.length)
  assert.equal(link.downBytes, down.length)
  assert.equal(link.connections, 1)
  await until(() => link.openConnections === 0)
})

test('A link that is late, shaky and slow carries all bytes in their order.', async (t) => {
  const { link, join } = await linked(t, {
    delayMs: 5,
    jitterMs: 20,
    upBytesPerSecond: 5_000_000,
    downBytesPerSecond: 5_000_000,
  })
  const { near, far } = await join()
  const bytes = random.bytes(700_000)
  near.socket.end(bytes)
  await until(() => far.ended() === 'fin')
  assert.ok(far.bytes().equals(bytes))
  assert.equal(link.upBytes, bytes.length)
})

test('Nothing passes sooner than the delay, nor faster than the rate.', async (t) => {
  const { link, join } = await linked(t, { delayMs: 30 })
  const { near, far } = await join()
  const sentAtMs = performance.now()
  near.socket.write('x')
  await until(() => far.bytes().length === 1)
  assert.ok(performance.now() - sentAtMs >= 29)
  link.set({ delayMs: 0, upBytesPerSecond: 1_000_000 })
  const startedAtMs = performance.now()
  near.socket.write(random.bytes(100_000))
  await until(() => far.bytes().length === 100_001)
  assert.ok(performance.now() - startedAtMs >= 90)
})

test('An outage holds all back, and loses nothing.', async (t) => {
  const { link, join } = await linked(t)
  const { near, far } = await join()
  link.set({ upBytesPerSecond: 0 })
  const bytes = random.bytes(100_000)
  near.socket.write(bytes)
  far.socket.write('the other direction goes on')
  await until(() => near.bytes().length > 0)
  assert.equal(far.bytes().length, 0)
  await link.heal()
  await until(() => far.bytes().length === bytes.length)
  assert.ok(far.bytes().equals(bytes))
})

/** Sends so much, as fast as it is taken, and tells how much was. */
function pour(socket: Socket, sizeBytes: number): () => number {
  const piece = Buffer.alloc(64 * 1024)
  let takenBytes = 0
  const more = () => {
    while (takenBytes < sizeBytes) {
      takenBytes += piece.length
      if (!socket.write(piece)) return
    }
    socket.end()
  }
  socket.on('drain', more)
  more()
  return () => takenBytes
}

async function untilStill(value: () => number): Promise<number> {
  let last = value()
  let looks = 0
  await until(() => {
    looks = value() === last ? looks + 1 : 0
    last = value()
    return looks === 20
  })
  return last
}

for (const [what, state] of [
  ['very late', { delayMs: 100_000 }],
  ['slow', { upBytesPerSecond: 10_000 }],
] as const) {
  test(`A sender is held back by a link that is ${what}, and gets all through when it heals.`, async (t) => {
    const { link, join } = await linked(t, state)
    const { near, far } = await join()
    const sizeBytes = 64 * 1024 * 1024
    const taken = await untilStill(pour(near.socket, sizeBytes))
    // What the link holds, and the kernel's buffers.
    assert.ok(taken < 32 * 1024 * 1024, `${taken} bytes were taken`)
    await link.heal()
    await until(() => far.ended() === 'fin')
    assert.equal(far.bytes().length, sizeBytes)
  })
}

for (const by of ['fin', 'rst'] as const) {
  test(`A connection is cut by ${by} after so many bytes, as often as it was asked.`, async (t) => {
    const { link, join } = await linked(t, { cut: { afterUpBytes: 100_000, by, times: 2 } })
    const bytes = random.bytes(300_000)
    for (const count of [1, 2]) {
      const { near, far } = await join()
      near.socket.write(bytes)
      await until(() => near.ended() !== undefined && far.ended() !== undefined)
      assert.equal(link.cuts, count)
      assert.ok(far.bytes().length <= 100_000)
      if (by === 'rst') assert.equal(far.ended(), 'rst')
      else assert.ok(far.bytes().equals(bytes.subarray(0, 100_000)))
    }
    const { near, far } = await join()
    near.socket.end(bytes)
    await until(() => far.ended() === 'fin')
    assert.ok(far.bytes().equals(bytes))
    assert.equal(link.cuts, 2)
  })

  test(`cutAll cuts every connection by ${by}.`, async (t) => {
    const { link, join } = await linked(t)
    const pairs = [await join(), await join()]
    link.cutAll(by)
    await until(() => pairs.every(({ near, far }) => near.ended() === by && far.ended() === by))
    await until(() => link.openConnections === 0)
    assert.equal(link.cuts, 2)
  })
}

test('A black hole takes the bytes; who sent some stays deaf, others go on after it.', async (t) => {
  const { link, join } = await linked(t)
  const lost = await join()
  const idle = await join()
  link.blackHole()
  lost.near.socket.write('gone')
  lost.far.socket.write('gone too')
  await until(() => link.lostBytes === 12)
  await link.heal()
  lost.near.socket.end('still gone')
  idle.near.socket.write('passes')
  await until(() => idle.far.bytes().length === 6)
  const fresh = await join()
  fresh.near.socket.end('fresh')
  await until(() => fresh.far.ended() === 'fin')
  assert.equal(lost.far.bytes().length, 0)
  assert.equal(lost.near.bytes().length, 0)
  assert.equal(lost.far.ended(), undefined, 'nobody tells the other end')
})

test('A half-open connection is deaf in one direction only.', async (t) => {
  const { link, join } = await linked(t)
  const { near, far } = await join()
  link.blackHole(['down'])
  far.socket.write('gone')
  await until(() => link.lostBytes === 4)
  near.socket.write('passes')
  await until(() => far.bytes().length === 6)
  assert.equal(near.bytes().length, 0)
  assert.equal(link.downBytes, 0)
})

test('One bit of one byte is turned over, on as many connections as asked.', async (t) => {
  const { link, join } = await linked(t, { corrupt: { atUpByte: 70_000, times: 1 } })
  const bytes = random.bytes(200_000)
  const first = await join()
  first.near.socket.end(bytes)
  await until(() => first.far.ended() === 'fin')
  const arrived = first.far.bytes()
  const different = [...arrived.keys()].filter((at) => arrived[at] !== bytes[at])
  assert.deepEqual(different, [70_000])
  const second = await join()
  second.near.socket.end(bytes)
  await until(() => second.far.ended() === 'fin')
  assert.ok(second.far.bytes().equals(bytes))
  assert.equal(link.corrupted, 1)
})

test('Connections are refused until it heals, at the same port, and may then lead elsewhere.', async (t) => {
  const { link, join, ends } = await linked(t)
  const standing = await join()
  const { port } = link
  link.refuse()
  const refused = connect(port, '127.0.0.1')
  const [error] = await once(refused, 'error')
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
  standing.near.socket.write('goes on')
  await until(() => standing.far.bytes().length === 7)
  const other = await listener(t)
  link.set({ toPort: other.port })
  await link.heal()
  assert.equal(link.port, port)
  const near = follow(connect(port, '127.0.0.1'))
  near.socket.end('elsewhere')
  await until(() => other.ends[0]?.ended() === 'fin')
  assert.equal(String(other.ends[0]?.bytes()), 'elsewhere')
  assert.equal(ends.length, 1)
})

test('Where nobody listens at the other end, a connection is reset.', async (t) => {
  const { link, join } = await linked(t)
  const gone = await listener(t)
  await new Promise<void>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      link.set({ toPort: (probe.address() as AddressInfo).port })
      probe.close(() => resolve())
    })
  })
  const { near } = await join()
  await until(() => near.ended() === 'rst')
  assert.equal(gone.ends.length, 0)
  await until(() => link.openConnections === 0)
})

test('close ends every connection and the listener.', async (t) => {
  const { link, join } = await linked(t, { upBytesPerSecond: 10_000 })
  const { near, far } = await join()
  near.socket.write(random.bytes(100_000))
  await until(() => link.upBytes > 0)
  await link.close()
  await until(() => near.socket.destroyed && far.socket.destroyed)
  const [error] = await once(connect(link.port, '127.0.0.1'), 'error')
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
})

test('A connection that is being ended while its device reads nothing can be reset all the same.', async (t) => {
  const { link, join } = await linked(t)
  const { near, far } = await join()
  near.socket.pause()
  const piece = random.bytes(1_000_000)
  while (far.socket.writableLength < 10_000_000) {
    far.socket.write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  link.cutAll('fin')
  link.cutAll('rst')
  await until(() => link.openConnections === 0)
})
