import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  type CaptureHeader,
  captureHeaderReadBytes,
  parseCaptureHeader,
  readCaptureHeader,
} from '../../src/capture/capture-header.ts'
import { type CaptureFileHeader, captureFile } from '../support/capture-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'longshore-header-'))
after(() => rmSync(folder, { recursive: true }))

const camera: CaptureFileHeader = {
  componentType: 'rdk:component:camera',
  componentName: 'front',
  methodName: 'GetImages',
  type: 1,
  tags: ['b', 'a', 'ö'],
  fileExtension: '.jpeg',
  mimeType: 'image/jpeg',
  methodParameters: { zoom: '2', reader_name: 'r', '': 'unnamed' },
}
const frame = captureFile(camera, [{ binary: Buffer.alloc(9000, 0xd8) }])

/** A header record with these protobuf bytes. */
const record = (...parts: (string | Buffer)[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => (Buffer.isBuffer(part) ? part : hex(part))))
  assert.ok(body.length < 128)
  return Buffer.concat([Buffer.from([body.length]), body])
}
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
/** component_type "c", method_name "m", type TABULAR_SENSOR. */
const least = '0a 01 63  22 01 6d  28 02'

const header = (bytes: Uint8Array): CaptureHeader => {
  const result = parseCaptureHeader(bytes)
  assert.ok(result !== undefined && !('needBytes' in result), 'is a header')
  return result
}

describe('parseCaptureHeader', () => {
  test('gives every field, with parameters sorted and tags as they come', () => {
    const { methodParameters, ...rest } = header(frame.subarray(0, captureHeaderReadBytes))
    assert.deepEqual(rest, {
      componentType: 'rdk:component:camera',
      componentName: 'front',
      methodName: 'GetImages',
      type: 1,
      fileExtension: '.jpeg',
      tags: ['b', 'a', 'ö'],
      mimeType: 'image/jpeg',
    })
    const typeUrl = 'type.googleapis.com/google.protobuf.StringValue'
    assert.deepEqual(
      methodParameters.map(({ name, value }) => [name, Buffer.from(value).toString('hex')]),
      [
        ['', '0a07756e6e616d6564'],
        ['reader_name', '0a0172'],
        ['zoom', '0a0132'],
      ],
    )
    assert.ok(methodParameters.every((parameter) => parameter.typeUrl === typeUrl))
  })

  test('leaves out what the writer left out', () => {
    assert.deepEqual(header(record(least)), {
      componentType: 'c',
      componentName: '',
      methodName: 'm',
      type: 2,
      methodParameters: [],
      fileExtension: '',
      tags: [],
      mimeType: '',
    })
  })

  test('shares no memory with the bytes that it was given', () => {
    const bytes = Buffer.from(frame)
    const before = header(bytes)
    const copy = structuredClone(before)
    bytes.fill(0)
    assert.deepEqual(before, copy)
  })

  test('skips fields of newer versions, of every wire type', () => {
    const newer = '58 ff ff ff ff ff ff ff ff ff 01  61 0102030405060708  6a 02 ff fe  75 01020304'
    assert.equal(header(record(newer, least)).componentType, 'c')
    assert.equal(header(record(least, newer)).componentType, 'c')
  })

  test('takes a record that ends with the file, without any message', () => {
    assert.equal(header(captureFile(camera, [])).componentName, 'front')
  })

  const notHeaders: readonly (readonly [string, Uint8Array])[] = [
    ['an empty file', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(4096)],
    ['0xff bytes', Buffer.alloc(4096, 0xff)],
    ['text', Buffer.from('2024-01-02 INFO started\n'.repeat(200))],
    ['text that begins with a line feed', Buffer.from('\n\n  hello, this is a log\n'.repeat(9))],
    ['JSON', Buffer.from(JSON.stringify({ a: [1, 2, 3], b: 'x'.repeat(100) }, null, 2))],
    ['a JPEG', hex('ffd8ffe000104a46494600010101004800480000ffdb0043')],
    ['a PNG', hex('89504e470d0a1a0a0000000d49484452')],
    ['a gzip file', hex('1f8b0800000000000003')],
    ['a missing type', record('0a 01 63  22 01 6d')],
    ['type 0', record('0a 01 63  22 01 6d  28 00')],
    ['type 4', record('0a 01 63  22 01 6d  28 04')],
    ['a type of 2^32 + 1', record('0a 01 63  22 01 6d  28 81 80 80 80 10')],
    ['a type that is a text', record('0a 01 63  22 01 6d  2a 01 01')],
    ['no component type', record('22 01 6d  28 02')],
    ['no method', record('0a 01 63  28 02')],
    ['a component type that is a number', record('08 01  22 01 6d  28 02')],
    ['a text that is not UTF-8', record(least, '12 02 c3 28')],
    ['a tag that is not UTF-8', record(least, '42 01 ff')],
    ['a parameter that is a number', record(least, '30 01')],
    ['a parameter whose name is not UTF-8', record(least, '32 03 0a 01 ff')],
    ['a parameter whose value is a text of its own', record(least, '32 04 12 02 7a 7a')],
    ['a parameter whose Any has a number as value', record(least, '32 04 12 02 10 01')],
    ['a start of group', record(least, '5b')],
    ['an end of group', record(least, '5c')],
    ['wire type 6', record(least, '5e')],
    ['wire type 7', record(least, '5f 00')],
    ['field number 0', record(least, '02 00')],
    ['a field number of 2^30', record(least, '80 80 80 80 40 00')],
    ['a field longer than the record', record(least, '12 05 61')],
    ['a fixed field longer than the record', record(least, '61 01 02')],
    ['a number that has no end', record(least, '58 80')],
    ['a number of 11 bytes', record(least, '58 80 80 80 80 80 80 80 80 80 80 00')],
    ['a tag without content at the end', record(least, '12')],
    ['a length that is not in its shortest form', Buffer.concat([hex('88 00'), hex(least)])],
    ['a length of six bytes', Buffer.concat([hex('ff ff ff ff ff 01'), hex(least)])],
    ['a length of more than 64 KiB', Buffer.concat([hex('81 80 04'), hex(least)])],
  ]
  for (const [what, bytes] of notHeaders) {
    test(`does not take ${what} for a header`, () => {
      assert.equal(parseCaptureHeader(bytes), undefined)
    })
  }

  test('asks for the rest of a header that is longer than the prefix, and then reads it', () => {
    const tags = Array.from({ length: 900 }, (_, i) => `tag number ${i}`)
    const long = captureFile({ ...camera, tags }, [])
    const asked = parseCaptureHeader(long.subarray(0, 4096))
    assert.deepEqual(asked, { needBytes: long.length })
    assert.deepEqual(header(long).tags, tags)
  })

  test('asks for no more of a long record that is already no header', () => {
    const garbage = Buffer.concat([hex('80 80 01'), Buffer.alloc(4096, 0x07)])
    assert.equal(parseCaptureHeader(garbage), undefined)
  })

  test('a header cut anywhere is never taken for a whole one', () => {
    const whole = captureFile(camera, [])
    for (let size = 0; size < whole.length; size++) {
      const result = parseCaptureHeader(whole.subarray(0, size))
      assert.ok(result === undefined || 'needBytes' in result, `cut at ${size}`)
    }
  })

  test('survives hostile bytes and finds no header in random ones', () => {
    const random = seeded(20240102)
    for (let round = 0; round < 3000; round++) {
      const size = Math.floor(random() * 600)
      const bytes = Uint8Array.from({ length: size }, () => Math.floor(random() * 256))
      const result = parseCaptureHeader(bytes)
      assert.ok(result === undefined || 'needBytes' in result, `round ${round}`)
    }
    const whole = captureFile(camera, [])
    let stillHeaders = 0
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(whole)
      for (let flips = 1 + random() * 4; flips > 0; flips--) {
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
      }
      const result = parseCaptureHeader(bytes)
      if (result === undefined || 'needBytes' in result) continue
      stillHeaders++
      assert.ok(result.type >= 1 && result.type <= 3)
    }
    assert.ok(stillHeaders > 0 && stillHeaders < 3000, `${stillHeaders} of 3000 still parse`)
  })
})

describe('readCaptureHeader', () => {
  const read = (bytes: Uint8Array) => {
    const path = join(folder, 'file.capture')
    writeFileSync(path, bytes)
    const fd = openSync(path, 'r')
    try {
      return readCaptureHeader(fd)
    } finally {
      closeSync(fd)
    }
  }

  test('reads the header of a file', () => {
    assert.equal(read(frame)?.componentName, 'front')
  })

  test('reads a header that is longer than 4 KiB', () => {
    const componentName = 'n'.repeat(60_000)
    assert.equal(read(captureFile({ ...camera, componentName }, []))?.componentName, componentName)
  })

  test('takes a file that ends inside its long header for no capture file', () => {
    const long = captureFile({ ...camera, componentName: 'n'.repeat(60_000) }, [])
    assert.equal(read(long.subarray(0, 50_000)), undefined)
    assert.equal(read(long.subarray(0, 4096)), undefined)
    assert.equal(read(long.subarray(0, 100)), undefined)
  })

  test('takes an empty file for no capture file', () => {
    assert.equal(read(Buffer.alloc(0)), undefined)
  })
})

/** mulberry32 */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
