import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { inBatches, readWhole } from '../../../src/receiver/ingest/message-body.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A body that gets bytes when the test says so. */
function openBody(highWaterMark = 16): Readable {
  // As streams of node:http2 are, which do not close by themselves when they end.
  return new Readable({ read: () => {}, highWaterMark, autoDestroy: false })
}

async function readBatches(body: Readable, contentLength: number): Promise<string> {
  let text = ''
  for await (const batch of inBatches(body, contentLength)) text += String(batch)
  return text
}

/** All the ways in which node:http2 lets a body end too early. */
const breaks: Record<string, (body: Readable) => void> = {
  'a destroyed stream': (body) => body.destroy(),
  'an error': (body) => body.destroy(new Error('reset')),
  'a clean end': (body) => body.push(null),
}

for (const [name, breakOff] of Object.entries(breaks)) {
  test(`${name} before the declared length is a break, after any number of bytes.`, async () => {
    for (const arrived of [0, 1, 9]) {
      const whole = openBody()
      const wholeRead = readWhole(whole, 10)
      const batches = openBody()
      const batchesRead = readBatches(batches, 10)
      for (const body of [whole, batches]) {
        if (arrived > 0) body.push('x'.repeat(arrived))
        await turn()
        breakOff(body)
      }
      assert.equal(await wholeRead, undefined)
      assert.equal(await batchesRead, 'x'.repeat(arrived))
    }
  })
}

test('A body that broke before anybody listened is a break.', async () => {
  const body = openBody()
  body.destroy()
  await turn()
  assert.equal(await readWhole(body, 10), undefined)
  assert.equal(await readBatches(body, 10), '')
})

test('The declared bytes are the whole body, without waiting for its end.', async () => {
  const whole = openBody()
  whole.push('01234')
  whole.push('56789')
  assert.equal(String(await readWhole(whole, 10)), '0123456789')
  const batches = openBody()
  batches.push('01234')
  batches.push('56789')
  assert.equal(await readBatches(batches, 10), '0123456789')
})

test('A break after the last byte does not unmake a whole body.', async () => {
  const body = openBody()
  const read = readWhole(body, 4)
  body.push('abcd')
  await turn()
  body.destroy(new Error('reset'))
  assert.equal(String(await read), 'abcd')
})

test('A body with more bytes than declared is cut off.', async () => {
  const body = openBody()
  const read = readWhole(body, 4)
  body.push('abcde')
  assert.equal(await read, undefined)
  assert.ok(body.destroyed)
})

test('invariant 7: while the disk is busy only two batches are taken from the network.', async () => {
  const body = openBody()
  const batches = inBatches(body, 10_000_000)
  const first = batches.next()
  const piece = Buffer.alloc(64 * 1024)
  for (let index = 0; index < 40; index += 1) {
    body.push(piece)
    await turn()
  }
  await first
  await turn()
  const { value } = await batches.next()
  assert.ok(value !== undefined && value.length <= 512 * 1024)
  assert.ok(body.readableLength >= (40 - 16) * piece.length, 'the rest waits in the stream')
  await batches.return(undefined)
})

test('invariant 9: a body that comes byte by byte is one batch, not thousands of pieces.', async () => {
  const body = openBody()
  const batches = inBatches(body, 5000)
  const first = batches.next()
  for (let index = 0; index < 5000; index += 1) body.push(Buffer.from([index & 0xff]))
  const { value } = await first
  assert.ok(value?.equals(Buffer.from(Array.from({ length: 5000 }, (_, index) => index & 0xff))))
  await batches.return(undefined)
})

test('Pieces of any size come out in order, also those that do not fit into a batch.', async () => {
  const bytes = Buffer.alloc(3_000_000, 'abcdefghijklmnopqrstuvwxyz0123456789')
  for (const pieceBytes of [1000, 16_384, 65_536, 200_000, 327_680, 1_000_000, bytes.length]) {
    const body = openBody()
    const read = readBatches(body, bytes.length)
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      body.push(bytes.subarray(at, at + pieceBytes))
      if (at % 3 === 0) await turn()
    }
    assert.ok((await read) === String(bytes), `pieces of ${pieceBytes}`)
  }
})

test('invariant 9: what arrives after the reader has seen enough is not kept.', async () => {
  const body = openBody()
  const before = ['data', 'end', 'close'].map((event) => body.listenerCount(event))
  for await (const _ of inBatches(pushed(body, 300_000), 10_000_000)) break
  assert.deepEqual(
    ['data', 'end', 'close'].map((event) => body.listenerCount(event)),
    before,
  )
  body.resume()
  for (let index = 0; index < 100; index += 1) body.push(Buffer.alloc(64 * 1024))
  await turn()
  await turn()
  assert.equal(body.readableLength, 0)
})

function pushed(body: Readable, bytes: number): Readable {
  body.push(Buffer.alloc(bytes))
  return body
}

for (const [when, turns] of [
  ['before anybody read it', 0],
  ['while it is read', 3],
] as const) {
  test(`invariant 6: of a body that broke off ${when}, all that had arrived is handed on.`, async () => {
    const body = new Readable({ read: () => {} })
    for (let piece = 0; piece < 16; piece += 1) body.push(Buffer.alloc(65_536, piece))
    const destroy = () => body.destroy(new Error('reset'))
    body.on('error', () => {})
    if (turns === 0) destroy()
    let arrived = Buffer.alloc(0)
    const reading = (async () => {
      for await (const batch of inBatches(body, 2_000_000)) {
        arrived = Buffer.concat([arrived, batch])
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    for (let turn = 0; turn < turns; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    destroy()
    await reading
    assert.equal(arrived.length, 16 * 65_536)
    assert.ok(
      arrived.every((byte, at) => byte === Math.floor(at / 65_536)),
      'in order',
    )
  })
}
