import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Busboy, type BusboyConfig } from '@fastify/busboy'
import { encodeManifest } from '../../src/wire/manifest-codec.ts'
import { packDigests } from '../../src/wire/multipart-layout.ts'
import { buildMessage } from '../support/message.ts'
import { Random } from './random.ts'
import { readPieces } from './recorder.ts'

/** What @fastify/busboy, which searches for boundaries, finds in a message. */
async function partsByBusboy(
  contentType: string,
  body: Buffer,
): Promise<{ name: string; mimeType: string; bytes: Buffer }[]> {
  const headers: BusboyConfig['headers'] = { 'content-type': contentType }
  const parser = new Busboy({ headers, limits: { fileSize: 1e9, files: 1e4 } })
  const parts: { name: string; mimeType: string; chunks: Buffer[] }[] = []
  parser.on('file', (name, stream, _filename, _encoding, mimeType) => {
    const chunks: Buffer[] = []
    parts.push({ name, mimeType, chunks })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  })
  await new Promise<void>((resolve, reject) => {
    parser.once('finish', resolve)
    parser.once('error', reject)
    parser.end(body)
  })
  return parts.map(({ chunks, ...rest }) => ({ ...rest, bytes: Buffer.concat(chunks) }))
}

/** Content that looks like the end of a part, but is not this message's boundary. */
function treacherous(random: Random): Buffer {
  const baits = ['\r\n', '\r\n--', '--', '\r\n--longshore-', '\r\r\n', '\n--\r', '\r\n\r\n', '-']
  return Buffer.concat(
    random.list(12, () => (random.chance(0.5) ? Buffer.from(random.pick(baits)) : random.bytes(9))),
  )
}

describe('a message', () => {
  test('is read alike by this reader and by @fastify/busboy', async () => {
    const random = new Random(9)
    for (let round = 0; round < 200; round += 1) {
      const contents = Array.from({ length: 1 + random.below(9) }, () =>
        random.chance(0.7) ? treacherous(random) : random.bytes(random.below(3000)),
      )
      const message = buildMessage(
        contents.map((bytes, index) => ({ path: `/data/${random.below(1000)}-${index}`, bytes })),
      )
      const [manifest, ...rest] = await partsByBusboy(message.contentType, message.body)
      const pieces = random.pieces(message.body, random.pick([2, 30, 2000]))
      const ours = readPieces(message.contentType, pieces)
      assert.equal(manifest!.name, 'manifest')
      assert.equal(manifest!.mimeType, 'application/vnd.msgpack')
      assert.deepEqual(manifest!.bytes, encodeManifest(ours.manifest!))
      assert.deepEqual(
        rest.map(({ name }) => name),
        [...contents.map(() => 'file'), 'digests'],
      )
      assert.deepEqual(
        rest.map(({ bytes }) => bytes),
        [...ours.contents, packDigests(ours.digests)],
      )
      assert.deepEqual(ours.contents, contents)
    }
  })
})
