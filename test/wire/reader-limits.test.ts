import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { maxManifestBytes } from '../../src/wire/limits.ts'
import { encodeManifest } from '../../src/wire/manifest-codec.ts'
import { MessageReader } from '../../src/wire/message-reader.ts'
import { layOutMessage } from '../../src/wire/multipart-layout.ts'
import { boundaryFrom } from '../../src/wire/part-header.ts'
import { WireError } from '../../src/wire/wire-error.ts'
import { buildMessage, plainLabels } from '../support/message.ts'
import { boundary, contentType, digestsPart, jsonManifest, multipart, part } from './parts.ts'
import { cutInTwo, readPieces, readWhole } from './recorder.ts'

const MiB = 1024 * 1024

/** A message whose manifest has exactly this many bytes. */
function withManifestOf(sizeBytes: number): Buffer {
  const { header, body } = jsonManifest([{ path: '/a', size: 3 }])
  const padded = (body as string).padEnd(sizeBytes, ' ')
  return multipart([{ header, body: padded }, part('file', 'abc'), digestsPart(1)])
}

function piecesOf(body: Buffer, sizeBytes: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length; at += sizeBytes) {
    pieces.push(Buffer.from(body.subarray(at, at + sizeBytes)))
  }
  return pieces
}

describe('MessageReader', () => {
  test('takes a manifest of 1 MiB, wherever around its end it is cut', () => {
    const body = withManifestOf(maxManifestBytes)
    const end = body.indexOf(`\r\n--${boundary}`)
    for (let at = end - 3; at < end + boundary.length + 10; at += 1) {
      assert.equal(readPieces(contentType, cutInTwo(body, at)).complete, true, `cut at ${at - end}`)
    }
    assert.equal(readPieces(contentType, piecesOf(body, 999)).complete, true)
  })

  test('invariant 9: refuses a manifest of one byte more, however it arrives', () => {
    const isTooLarge = { name: 'WireError', code: 'manifest_too_large', httpStatus: 422 }
    const body = withManifestOf(maxManifestBytes + 1)
    assert.throws(() => readWhole(contentType, body), isTooLarge)
    assert.throws(() => readPieces(contentType, piecesOf(body, 999)), isTooLarge)
    const end = body.indexOf(`\r\n--${boundary}`)
    for (let at = end - 3; at < end + boundary.length + 10; at += 1) {
      assert.throws(() => readPieces(contentType, cutInTwo(body, at)), isTooLarge)
    }
  })

  test('invariant 9: a manifest without an end is refused before it fills the memory', () => {
    const reader = new MessageReader(boundary, {
      onManifest: () => assert.fail(),
      onFileData: () => assert.fail(),
      onFileEnd: () => assert.fail(),
    })
    reader.push(multipart([], `--${boundary}\r\n${jsonManifest([]).header.join('\r\n')}\r\n\r\n`))
    const piece = Buffer.alloc(64 * 1024, ' ')
    let pushedBytes = 0
    assert.throws(() => {
      for (; pushedBytes < 100 * MiB; pushedBytes += piece.length) reader.push(piece)
    }, WireError)
    assert.ok(pushedBytes <= maxManifestBytes + piece.length)
  })

  test('invariant 9: a manifest of 1 MiB that arrives byte by byte costs work in proportion', () => {
    const body = withManifestOf(maxManifestBytes)
    const work = countBufferWork()
    let complete = false
    try {
      const one = Buffer.alloc(1)
      const reader = new MessageReader(boundary, {
        onManifest: () => {},
        onFileData: () => {},
        onFileEnd: () => {},
      })
      for (const byte of body) {
        one[0] = byte
        reader.push(one)
      }
      complete = reader.complete
    } finally {
      work.stop()
    }
    assert.equal(complete, true)
    // Every byte once, and what was there again at each doubling.
    assert.ok(work.copiedBytes < 4 * MiB, `${work.copiedBytes} bytes copied`)
    // Every byte as often as a delimiter is long.
    assert.ok(work.searchedBytes < 48 * MiB, `${work.searchedBytes} bytes searched`)
  })

  test('invariant 7: a file of 100 MiB passes through without a trace in memory', () => {
    const sizeBytes = 100 * MiB
    const files = [{ ...buildMessage([{ path: '/a', bytes: '' }]).manifest.files[0]!, sizeBytes }]
    const manifest = encodeManifest({ files: [{ ...files[0]!, labels: plainLabels }] })
    const layout = layOutMessage(manifest, 'ab'.repeat(32), [sizeBytes])
    let seenBytes = 0
    const reader = new MessageReader(boundaryFrom(layout.contentType), {
      onManifest: () => {},
      onFileData: (_index, bytes) => {
        seenBytes += bytes.length
      },
      onFileEnd: () => {},
    })
    const before = process.memoryUsage()
    let mostBytes = 0
    reader.push(Buffer.concat([layout.head, layout.beforeFile]))
    const piece = Buffer.alloc(64 * 1024)
    for (let left = sizeBytes; left > 0; left -= piece.length) {
      reader.push(piece)
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      mostBytes = Math.max(mostBytes, heapUsed + arrayBuffers)
    }
    reader.push(Buffer.concat([layout.beforeDigests, Buffer.alloc(32), layout.tail]))
    assert.equal(reader.complete, true)
    assert.equal(seenBytes, sizeBytes)
    const grownBytes = mostBytes - before.heapUsed - before.arrayBuffers
    assert.ok(grownBytes < 8 * MiB, `${grownBytes} bytes more than before`)
  })
})

/** Counts what Buffers copy and search, in this process, until it is stopped. */
function countBufferWork() {
  const { copy, indexOf } = Buffer.prototype
  const work = {
    copiedBytes: 0,
    searchedBytes: 0,
    stop: () => Object.assign(Buffer.prototype, { copy, indexOf }),
  }
  Object.assign(Buffer.prototype, {
    copy(this: Buffer, ...args: Parameters<Buffer['copy']>): number {
      const copied = copy.apply(this, args)
      work.copiedBytes += copied
      return copied
    },
    indexOf(this: Buffer, value: string | Buffer, from: number, encoding?: 'latin1'): number {
      const found = indexOf.call(this, value, from, encoding)
      work.searchedBytes += (found === -1 ? this.length : found) - from
      return found
    },
  })
  return work
}
