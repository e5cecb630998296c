import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeManifest, encodeManifest } from '../../src/wire/manifest-codec.ts'
import { MsgpackWriter } from '../../src/wire/msgpack-writer.ts'
import { WireError } from '../../src/wire/wire-error.ts'
import { mutated, randomManifest } from './manifests.ts'
import { Random } from './random.ts'

type Raw = null | number | bigint | string | Buffer | readonly Raw[]

function pack(out: MsgpackWriter, value: Raw): void {
  if (value === null) out.nil()
  else if (typeof value === 'string') out.text(value)
  else if (Buffer.isBuffer(value)) out.binary(value)
  else if (typeof value === 'object') {
    out.array(value.length)
    for (const each of value as readonly Raw[]) pack(out, each)
  } else out.int(value)
}

function decodeRaw(value: Raw): ReturnType<typeof decodeManifest> {
  const out = new MsgpackWriter()
  pack(out, value)
  return decodeManifest(out.bytes())
}

const bytes = (text: string) => Buffer.from(text, 'latin1')
const labels: Raw[] = [bytes('/data'), 'text/plain', ['tag'], ['dataset'], 'identity', null]
const capture: Raw[] = ['type', 'name', 'method', 1, [], '.jpg', 'image/jpeg']
const file: Raw[] = [0, bytes('a'), 5, 0, 0, 0]
const manifest: Raw[] = [1, [bytes('/data')], [labels], [file]]

function manifestWith(index: number, value: Raw): Raw[] {
  return manifest.with(index, value)
}
function fileWith(index: number, value: Raw): Raw[] {
  return manifestWith(3, [file.with(index, value)])
}
function labelsWith(index: number, value: Raw): Raw[] {
  return manifestWith(2, [labels.with(index, value)])
}
function captureWith(index: number, value: Raw): Raw[] {
  return labelsWith(5, capture.with(index, value))
}
function times(count: number, value: Raw): Raw[] {
  return Array.from({ length: count }, () => value)
}

const longLabel = 'x'.repeat(4097)
const refused: readonly [string, Raw, RegExp][] = [
  ['version 0', manifestWith(0, 0), /version is 0, this receiver reads 1/],
  ['version 2', manifestWith(0, 2), /version is 2/],
  ['a text', 'manifest', /expected an array/],
  ['a field too few', manifest.slice(0, 3), /expected 4 fields, found 3/],
  ['a field too many', [...manifest, 0], /expected 4 fields, found 5/],
  ['no file', manifestWith(3, []), /names no file/],
  ['1,025 files', manifestWith(3, times(1025, file)), /at most 1024 entries, found 1025/],
  ['1,025 folders', manifestWith(1, times(1025, bytes('/data'))), /at most 1024 entries/],
  ['1,025 labels', manifestWith(2, times(1025, labels)), /at most 1024 entries/],
  [
    'a folder of 4,097 bytes',
    manifestWith(1, [bytes(`/${'x'.repeat(4096)}`)]),
    /at most 4096 bytes/,
  ],
  ['a folder as text', manifestWith(1, ['/data']), /expected bytes/],
  ['a folder that is not there', fileWith(0, 1), /no folder number 1/],
  ['a negative folder', fileWith(0, -1), /found -1/],
  ['labels that are not there', fileWith(5, 1), /no labels number 1/],
  ['labels of a name like __proto__', fileWith(5, '__proto__'), /expected an integer/],
  ['a name with a slash', fileWith(1, bytes('a/b')), /holds a slash/],
  ['a name that climbs', fileWith(1, bytes('../../etc/passwd')), /holds a slash/],
  ['a name as text', fileWith(1, 'a'), /expected bytes/],
  ['a name of 4,097 bytes', fileWith(1, bytes(longLabel)), /at most 4096 bytes/],
  ['a negative size', fileWith(2, -1), /from 0 to 1125899906842624, found -1/],
  ['a size over 2^50', fileWith(2, 2 ** 50 + 1), /from 0 to 1125899906842624/],
  ['a size over 2^53', fileWith(2, 2n ** 62n), /from 0 to 1125899906842624/],
  ['a time as text', fileWith(3, '0'), /expected an integer/],
  ['a time that is nil', fileWith(4, null), /expected an integer/],
  ['a coding of zstd', labelsWith(4, 'zstd'), /coding is not "identity"/],
  ['no coding', labelsWith(4, ''), /coding is not "identity"/],
  ['257 tags', labelsWith(2, times(257, 'tag')), /at most 256 entries/],
  ['a tag of 1,025 bytes', labelsWith(2, ['x'.repeat(1025)]), /at most 1024 bytes/],
  ['a tag as bytes', labelsWith(2, [bytes('tag')]), /expected a text/],
  ['257 dataset ids', labelsWith(3, times(257, 'dataset')), /at most 256 entries/],
  ['a content type of 4,097 bytes', labelsWith(1, longLabel), /at most 4096 bytes/],
  ['a root of 4,097 bytes', labelsWith(0, bytes(longLabel)), /at most 4096 bytes/],
  ['a capture header of 6 fields', labelsWith(5, capture.slice(0, 6)), /expected 7 fields/],
  ['a capture name of 4,097 bytes', captureWith(1, longLabel), /at most 4096 bytes/],
  ['a capture type of 256', captureWith(3, 256), /from 0 to 255/],
  ['257 parameters', captureWith(4, times(257, ['n', 'u', bytes('')])), /at most 256 entries/],
  [
    'a parameter of 64 KiB and 1',
    captureWith(4, [['n', 'u', Buffer.alloc(65_537)]]),
    /at most 65536/,
  ],
  ['a parameter without a value', captureWith(4, [['n', 'u']]), /expected 3 fields, found 2/],
]

function isBadManifest(error: unknown): boolean {
  assert.ok(error instanceof WireError, String(error))
  assert.equal(error.code, 'bad_manifest')
  assert.equal(error.httpStatus, 422)
  return true
}

describe('invariant 9: a manifest from the network', () => {
  for (const [what, value, message] of refused) {
    test(`with ${what} is refused`, () => {
      assert.throws(() => decodeRaw(value), isBadManifest)
      assert.throws(() => decodeRaw(value), message)
    })
  }

  test('may have as many files, folders, labels, tags and bytes as the limits say', () => {
    const folders = times(1024, bytes('/data'))
    const most = [labels.with(2, times(256, 'x'.repeat(1024))), ...times(1023, labels)]
    const files = times(1024, [1023, bytes('a'.repeat(4096)), 2 ** 50, 0, 0, 0])
    const found = decodeRaw([1, folders, most, files])
    assert.equal(found.files.length, 1024)
    assert.equal(found.files[1023]!.labels.tags.length, 256)
    assert.equal(found.files[1023]!.sizeBytes, 2 ** 50)
    const parameters = times(256, ['n', 'u', bytes('')]).with(255, ['n', 'u', Buffer.alloc(65_536)])
    assert.equal(decodeRaw(captureWith(4, parameters)).files.length, 1)
  })

  test('may not have very many small labels, which would cost many times their bytes', () => {
    const parameters = times(256, ['', '', bytes('')])
    const full = labels.with(2, times(256, '')).with(3, times(256, ''))
    const fullest = full.with(5, capture.with(4, parameters))
    const count = Math.floor((32 * 1024) / (3 * 256))
    assert.equal(decodeRaw(manifestWith(2, times(count, fullest))).files.length, 1)
    assert.throws(
      () => decodeRaw(manifestWith(2, times(count + 1, fullest))),
      /labels have over 32768 entries/,
    )
  })

  test('may name a file that the receiver will not take: that one is rejected, not the message', () => {
    for (const name of ['..', '.', '', 'a\0b']) {
      assert.equal(decodeRaw(fileWith(1, bytes(name))).files[0]!.path, `/data/${name}`)
    }
    assert.equal(decodeRaw(manifestWith(1, [bytes('relative')])).files[0]!.path, 'relative/a')
  })

  test('may hold __proto__ as a text like any other', () => {
    const name = '__proto__'
    const found = decodeRaw([
      1,
      [bytes(`/${name}`)],
      [[bytes(name), name, [name], [name], 'identity', capture.with(0, name).with(1, name)]],
      [file.with(1, bytes(name))],
    ])
    assert.equal(found.files[0]!.path, '/__proto__/__proto__')
    assert.deepEqual(found.files[0]!.labels.tags, [name])
    assert.equal(found.files[0]!.labels.capture?.componentName, name)
    assert.deepEqual(Object.keys(Object.prototype), [])
  })

  test('with bytes behind its end is refused', () => {
    const out = new MsgpackWriter()
    pack(out, manifest)
    out.nil()
    assert.throws(() => decodeManifest(out.bytes()), /1 bytes too many/)
  })

  test('that is cut anywhere is refused', () => {
    const whole = encodeManifest(randomManifest(new Random(5), 10))
    for (let size = 0; size < whole.length; size += 1) {
      assert.throws(() => decodeManifest(whole.subarray(0, size)), isBadManifest)
    }
  })

  test('that announces lists without end costs no memory', () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    for (const hex of [
      '94 01 dd 00ffffff',
      '94 01 90 dd 3fffffff',
      'dd ffffffff',
      '94 01 91 c6 ffffffff',
    ]) {
      const head = Buffer.from(hex.replaceAll(' ', ''), 'hex')
      for (let round = 0; round < 2000; round += 1) {
        assert.throws(() => decodeManifest(head), WireError)
      }
    }
    const after = process.memoryUsage()
    const grownBytes = after.heapUsed + after.arrayBuffers - heapUsed - arrayBuffers
    assert.ok(grownBytes < 64 * 1024 * 1024, `${grownBytes}`)
  })

  test('that is damaged at random is refused, or says something that can be said again', () => {
    const random = new Random(6)
    let accepted = 0
    for (let round = 0; round < 5000; round += 1) {
      const bad = mutated(random, encodeManifest(randomManifest(random, 3)))
      try {
        const found = decodeManifest(bad)
        accepted += 1
        // Only of an absolute path is there a folder and a name.
        if (found.files.some(({ path }) => path[0] !== '/')) continue
        assert.deepEqual(decodeManifest(encodeManifest(found)), found)
      } catch (error) {
        isBadManifest(error)
      }
    }
    assert.ok(accepted > 50 && accepted < 4500, `${accepted} of 5,000 were accepted`)
  })
})
