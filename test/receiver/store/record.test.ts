import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { blake3 } from '../../../src/base/hash.ts'
import {
  encodeRecordHead,
  encodeRecordTrailer,
  maxContentDispositionBytes,
  maxContentTypeBytes,
  type ReadAt,
  type RecordHead,
  type RecordTrailer,
  readRecordHead,
  readRecordTrailer,
  segmentMagic,
} from '../../../src/receiver/store/record.ts'

const head: RecordHead = {
  machine: 'robot-7',
  uploadId: 'ab'.repeat(32),
  receivedAtMs: 1_700_000_000_123,
  contentType: 'multipart/form-data; boundary=b',
  contentDisposition: 'attachment; filename="ä.jpg"',
  messageBytes: 5_000_000_000,
}

const trailer: RecordTrailer = {
  messageBytes: 300,
  messageDigest: '01'.repeat(32),
  outcomes: [
    { status: 'stored', sizeBytes: 0, digest: 'aa'.repeat(32) },
    { status: 'already_stored', sizeBytes: 70_000, digest: 'bb'.repeat(32) },
    { status: 'rejected', reason: 'digest_mismatch', sizeBytes: 1, digest: 'cc'.repeat(32) },
    { status: 'rejected', reason: 'name_not_allowed', sizeBytes: 2, digest: 'dd'.repeat(32) },
  ],
}

/** What stands on disks already. A change here needs a new format number, and a reader for both. */
const golden = {
  magic: '4c4f4e4753454731',
  head:
    '4c5352480000007c' +
    '97' +
    '01' +
    'a7726f626f742d37' +
    `c420${'ab'.repeat(32)}` +
    'cf0000018bcfe5687b' +
    'bf6d756c7469706172742f666f726d2d646174613b20626f756e646172793d62' +
    'bd6174746163686d656e743b2066696c656e616d653d22c3a42e6a706722' +
    'cf000000012a05f200',
  trailer:
    '4c535254000000c0' +
    '94' +
    '01' +
    'cd012c' +
    `c420${'01'.repeat(32)}` +
    '94' +
    `930000c420${'aa'.repeat(32)}` +
    `9301ce00011170c420${'bb'.repeat(32)}` +
    `930201c420${'cc'.repeat(32)}` +
    `930302c420${'dd'.repeat(32)}`,
}

function readFrom(bytes: Buffer): ReadAt {
  return async (offset, sizeBytes) => bytes.subarray(offset, offset + sizeBytes)
}

function flipBit(bytes: Buffer, bit: number): Buffer {
  const flipped = Buffer.from(bytes)
  flipped[bit >> 3]! ^= 1 << (bit & 7)
  return flipped
}

test('The format on the disk is byte for byte what it was.', () => {
  assert.equal(segmentMagic.toString('hex'), golden.magic)
  // The last four bytes of a block are the CRC-32 of its payload.
  assert.equal(encodeRecordHead(head).toString('hex').slice(0, -8), golden.head)
  assert.equal(encodeRecordTrailer(trailer).toString('hex').slice(0, -8), golden.trailer)
  assert.equal(
    blake3(Buffer.concat([encodeRecordHead(head), encodeRecordTrailer(trailer)])),
    'a6ce028aba795ca1d6e5bfc5a9687b573fdbf9eb4717275453b96459d4fecd98',
  )
})

test('A head and a trailer are read back as they were written, wherever they stand.', async () => {
  const bytes = Buffer.concat([Buffer.alloc(100), encodeRecordHead(head), Buffer.alloc(7)])
  assert.deepEqual(await readRecordHead(readFrom(bytes), 100), {
    value: head,
    end: bytes.length - 7,
  })
  const end = encodeRecordTrailer(trailer)
  assert.deepEqual(await readRecordTrailer(readFrom(Buffer.concat([end, end])), end.length), {
    value: trailer,
    end: end.length * 2,
  })
})

test('The largest head and trailer that can be written can be read.', async () => {
  const large: RecordHead = {
    machine: 'm'.repeat(64),
    uploadId: '00'.repeat(32),
    receivedAtMs: Number.MAX_SAFE_INTEGER,
    contentType: 'c'.repeat(maxContentTypeBytes),
    contentDisposition: 'd'.repeat(maxContentDispositionBytes),
    messageBytes: 2 ** 50,
  }
  const outcomes = Array.from({ length: 1024 }, () => ({
    status: 'stored' as const,
    sizeBytes: 2 ** 50,
    digest: 'ff'.repeat(32),
  }))
  assert.deepEqual((await readRecordHead(readFrom(encodeRecordHead(large)), 0))?.value, large)
  const end = encodeRecordTrailer({ ...trailer, outcomes })
  assert.deepEqual((await readRecordTrailer(readFrom(end), 0))?.value.outcomes, outcomes)
})

test('A head that could not be read back is never written.', () => {
  const tooLong = [
    { machine: 'm'.repeat(257) },
    { contentType: 'c'.repeat(maxContentTypeBytes + 1) },
    { contentType: 'ä'.repeat(maxContentTypeBytes / 2 + 1) },
    { contentDisposition: 'd'.repeat(maxContentDispositionBytes + 1) },
  ]
  for (const labels of tooLong) {
    assert.throws(() => encodeRecordHead({ ...head, ...labels }), RangeError)
  }
})

test('A head or trailer that is cut short at any byte is none.', async () => {
  const blocks = [
    { bytes: encodeRecordHead(head), read: readRecordHead },
    { bytes: encodeRecordTrailer(trailer), read: readRecordTrailer },
  ]
  for (const { bytes, read } of blocks) {
    for (let size = 0; size < bytes.length; size += 1) {
      assert.equal(await read(readFrom(bytes.subarray(0, size)), 0), undefined, `${size} bytes`)
    }
  }
})

test('A head or trailer with any bit turned over is none.', async () => {
  const blocks = [
    { bytes: encodeRecordHead(head), read: readRecordHead },
    { bytes: encodeRecordTrailer(trailer), read: readRecordTrailer },
  ]
  for (const { bytes, read } of blocks) {
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      assert.equal(await read(readFrom(flipBit(bytes, bit)), 0), undefined, `bit ${bit}`)
    }
  }
})

test('invariant 9: a length that no head or trailer has is not read for.', async () => {
  const bytes = encodeRecordHead(head)
  bytes.writeUInt32BE(0xffff_ffff, 4)
  let mostBytes = 0
  const readAt: ReadAt = async (offset, sizeBytes) => {
    mostBytes = Math.max(mostBytes, sizeBytes)
    return bytes.subarray(offset, offset + sizeBytes)
  }
  assert.equal(await readRecordHead(readAt, 0), undefined)
  assert.ok(mostBytes <= 2 * 1024 * 1024, `${mostBytes}`)
})

test('A head with something behind what is known of it is none.', async () => {
  const payload = Buffer.concat([encodeRecordHead(head).subarray(8, -4), Buffer.from([0xc0])])
  const block = Buffer.concat([encodeRecordHead(head).subarray(0, 8), payload, Buffer.alloc(4)])
  block.writeUInt32BE(payload.length, 4)
  block.writeUInt32BE(crc32(payload), block.length - 4)
  assert.equal(await readRecordHead(readFrom(block), 0), undefined)
})

test('A head is not taken for a trailer, nor the other way round.', async () => {
  assert.equal(await readRecordTrailer(readFrom(encodeRecordHead(head)), 0), undefined)
  assert.equal(await readRecordHead(readFrom(encodeRecordTrailer(trailer)), 0), undefined)
})
