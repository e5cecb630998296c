import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { Lane } from '../../workers/lane.ts'
import { FaultyLink } from '../support/faulty-link.ts'
import { MisbehavingReceiver } from '../support/misbehaving-receiver.ts'

const question = { method: 'GET', path: '/v1/machine', headers: {}, body: null } as const
const upload = {
  method: 'POST',
  path: '/v1/uploads',
  headers: { 'content-length': '4' },
  body: Buffer.from('body'),
} as const

let bad: MisbehavingReceiver
let lane: Lane
beforeEach(async () => {
  bad = await MisbehavingReceiver.start()
  lane = laneTo(bad.address)
})
afterEach(async () => {
  await lane.destroy(new Error('the test is over'))
  await bad.close()
})

/** @param stallMs - By default never reached by a test that is well. */
function laneTo(address: string, stallMs = 60_000): Lane {
  return new Lane({ address, authorization: 'Basic eDp5', caPem: bad.caPem, stallMs })
}

async function seen(method: string, count: number): Promise<void> {
  while (bad.seen.filter((each) => each.method === method).length < count) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** It has been told with the first upload; what is sent before it knows waits with that one. */
async function toldToGo(): Promise<void> {
  await seen('POST', 1)
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('a connection from an address that this device has no longer', () => {
  test('is given up at once, and the next one is made', async () => {
    bad.next({ does: 'silence', readsBody: true })
    const sent = lane.send(upload)
    await seen('POST', 1)
    lane.dropLost(['127.0.0.2', '::1'])
    const failure = await sent
    assert.ok('kind' in failure)
    assert.equal(failure.kind, 'connection_lost')
    assert.match(failure.detail, /no longer has the address 127\.0\.0\.1/)
    assert.ok('status' in (await lane.send(question)))
  })

  test('is told from one whose address is still there', async () => {
    await using link = await FaultyLink.open(bad.port)
    const own = laneTo(`https://localhost:${link.port}`)
    assert.ok('status' in (await own.send(question)))
    own.dropLost(['10.0.0.1', '127.0.0.1'])
    assert.ok('status' in (await own.send(question)))
    assert.equal(link.connections, 1)
    await own.destroy(new Error('the test is over'))
  })
})

describe('a receiver that tells the device to go away', () => {
  test('and never answers what it has taken keeps nothing else waiting', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a word of the test receiver's
    bad.next({ does: 'goaway', code: 0, then: 'silence' })
    const taken = lane.send(upload)
    await toldToGo()
    const answers = await Promise.all([1, 2, 3].map(() => lane.send(question)))
    assert.deepEqual(
      answers.map((each) => 'status' in each && each.status),
      [200, 200, 200],
    )
    await lane.destroy(new Error('enough'))
    assert.ok('kind' in (await taken))
  })

  test('and is dead keeps what it has taken no longer, however busy the next connection is', async () => {
    const own = laneTo(bad.address, 1000)
    // biome-ignore lint/suspicious/noThenProperty: a word of the test receiver's
    bad.next({ does: 'goaway', code: 0, then: 'silence' })
    let isOver = false
    const taken = own.send(upload).finally(() => {
      isOver = true
    })
    await toldToGo()
    while (!isOver) {
      assert.ok('status' in (await own.send(question)))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const failure = await taken
    assert.ok('kind' in failure)
    assert.equal(failure.kind, 'stalled')
    await own.destroy(new Error('the test is over'))
  })
})

/** A way to `port` that resets the device's connection together with the receiver's first bytes. */
async function resetWithFirstBytes(port: number) {
  let resets = 1
  const sockets: Socket[] = []
  const front = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    sockets.push(near, far)
    for (const socket of [near, far]) socket.on('error', () => {})
    near.pipe(far)
    if (resets === 0) {
      far.pipe(near)
      return
    }
    resets -= 1
    far.once('data', (bytes) => {
      near.unpipe(far)
      near.write(bytes)
      near.resetAndDestroy()
    })
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  return {
    address: `https://localhost:${(front.address() as AddressInfo).port}`,
    close: () => {
      for (const socket of sockets) socket.destroy()
      front.close()
    },
  }
}

test('a reset that meets a write is heard of, and does not pass for silence', async (t) => {
  for (let n = 0; n < 2; n += 1) {
    const way = await resetWithFirstBytes(bad.port)
    t.after(way.close)
    const own = laneTo(way.address)
    t.after(() => own.destroy(new Error('the test is over')))
    const failure = await own.send(question)
    assert.ok('kind' in failure)
    assert.equal(failure.kind, 'connection_lost')
    assert.ok('status' in (await own.send(question)))
  }
})
