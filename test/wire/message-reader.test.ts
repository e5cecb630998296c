import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BuiltMessage, buildMessage } from '../support/message.ts'
import { randomManifest } from './manifests.ts'
import { Random } from './random.ts'
import { byteByByte, cutInTwo, type ReadMessage, readPieces, readWhole } from './recorder.ts'

const small = buildMessage([
  { path: '/data/a.txt', bytes: 'first\r\n' },
  { path: '/data/empty', bytes: '' },
  { path: '/other/b', bytes: '\r\n--longshore-' },
  { path: '/data/also-empty', bytes: '' },
])

/** What has been read must be all of it, at the places where it stands. */
function assertRead(found: ReadMessage, message: BuiltMessage, files: readonly Buffer[]): void {
  assert.equal(found.complete, true)
  assert.equal(found.uploadId, message.uploadId)
  assert.deepEqual(found.manifest, message.manifest)
  assert.deepEqual(found.contents, files)
  assert.deepEqual(found.digests, message.digests)
  assert.equal(found.endedFiles, files.length)
  files.forEach((bytes, index) => {
    const offset = bytes.length === 0 ? undefined : message.offsets[index]!
    assert.equal(found.offsets[index], offset)
    if (offset === undefined) return
    assert.deepEqual(message.body.subarray(offset, offset + bytes.length), bytes)
  })
}

const smallFiles = ['first\r\n', '', '\r\n--longshore-', ''].map((text) => Buffer.from(text))

describe('MessageReader', () => {
  test('reads a message that arrives in one piece', () => {
    assertRead(readWhole(small.contentType, small.body), small, smallFiles)
  })

  test('reads a message that arrives in two pieces, wherever it is cut', () => {
    for (let at = 0; at <= small.body.length; at += 1) {
      assertRead(readPieces(small.contentType, cutInTwo(small.body, at)), small, smallFiles)
    }
  })

  test('reads a message that arrives byte by byte', () => {
    assertRead(readPieces(small.contentType, byteByByte(small.body)), small, smallFiles)
  })

  test('reads a message with empty pieces between the others', () => {
    const pieces = byteByByte(small.body).flatMap((piece) => [Buffer.alloc(0), piece])
    assertRead(readPieces(small.contentType, pieces), small, smallFiles)
  })

  test('reads messages of any files in pieces of any size', () => {
    const random = new Random(8)
    for (let round = 0; round < 300; round += 1) {
      const { files } = randomManifest(random, 12)
      const contents = files.map(() => random.bytes(random.pick([0, 1, 20, 3000])))
      const message = buildMessage(
        files.map(({ path, labels }, index) => ({
          path: { bytes: path },
          bytes: contents[index]!,
          mtimeNs: random.int64(),
          labels,
        })),
      )
      const pieces = random.pieces(message.body, random.pick([3, 50, 1000, 10_000]))
      assertRead(readPieces(message.contentType, pieces), message, contents)
    }
  })

  test('never searches a file: it may hold the boundary, and a whole message', () => {
    const boundary = /boundary=(.*)/.exec(small.contentType)![1]
    const decoys = [
      `\r\n--${boundary}--\r\n`,
      `\r\n--${boundary}\r\nContent-Disposition: form-data; name="digests"\r\n\r\n`,
      small.body.toString('latin1'),
      `--${boundary}`,
      '\r',
    ]
    // The upload id does not depend on what the files hold, but for their sizes: two rounds find the
    // boundary that a sender with such files would have.
    let message = small
    let contents: Buffer[] = []
    for (let round = 0; round < 2; round += 1) {
      const own = /boundary=(.*)/.exec(message.contentType)![1]!
      contents = decoys.map((text) => Buffer.from(text.replaceAll(boundary!, own), 'latin1'))
      message = buildMessage(contents.map((bytes, index) => ({ path: `/data/${index}`, bytes })))
    }
    assert.ok(contents[0]!.includes(/boundary=(.*)/.exec(message.contentType)![1]!))
    for (let at = 0; at <= message.body.length; at += 1) {
      assertRead(readPieces(message.contentType, cutInTwo(message.body, at)), message, contents)
    }
  })

  test('takes a message that is cut anywhere for incomplete, and never for wrong', () => {
    const lastLineEnd = 2
    for (let size = 0; size < small.body.length - lastLineEnd; size += 1) {
      const start = small.body.subarray(0, size)
      assert.equal(readWhole(small.contentType, start).complete, false)
      assert.equal(readPieces(small.contentType, byteByByte(start)).complete, false)
    }
  })

  test('does without the line end after the last boundary', () => {
    for (const missing of [1, 2]) {
      const body = small.body.subarray(0, small.body.length - missing)
      assertRead(readWhole(small.contentType, body), small, smallFiles)
    }
  })

  test('does not tell the digests before the message is complete', () => {
    const found = readWhole(small.contentType, small.body.subarray(0, -5))
    assert.deepEqual([found.complete, found.endedFiles], [false, 4])
    assert.deepEqual(found.digests, [])
  })
})
