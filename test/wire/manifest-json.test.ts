import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BytePath } from '../../src/base/byte-path.ts'
import { decodeManifest, encodeManifest } from '../../src/wire/manifest-codec.ts'
import { decodeJsonManifest } from '../../src/wire/manifest-json.ts'
import { WireError } from '../../src/wire/wire-error.ts'
import { mutated } from './manifests.ts'
import { Random } from './random.ts'

const file = { path: '/a/b.jpg', size: 5, mtime_ns: '1700000000123456789' }

function decode(json: unknown): ReturnType<typeof decodeJsonManifest> {
  return decodeJsonManifest(Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)))
}

function decodeFile(members: object): ReturnType<typeof decodeJsonManifest>['files'][number] {
  return decode({ version: 1, files: [{ ...file, ...members }] }).files[0]!
}

function isBadManifest(error: unknown): boolean {
  assert.ok(error instanceof WireError, String(error))
  assert.equal(error.code, 'bad_manifest')
  return true
}

describe('a manifest in JSON', () => {
  test('needs three members for a file; the rest has defaults', () => {
    assert.deepEqual(decode({ version: 1, files: [file] }), {
      files: [
        {
          path: '/a/b.jpg',
          sizeBytes: 5,
          mtimeNs: 1_700_000_000_123_456_789n,
          ctimeNs: 1_700_000_000_123_456_789n,
          labels: {
            root: '',
            contentType: 'application/octet-stream',
            tags: [],
            datasetIds: [],
            coding: 'identity',
            capture: null,
          },
        },
      ],
    })
  })

  test('may say the rest, with names as bytes in base64', () => {
    const found = decodeFile({
      path: undefined,
      path_base64: Buffer.from('/a/\xff\0', 'latin1').toString('base64'),
      root_base64: Buffer.from('/\xfe', 'latin1').toString('base64'),
      mtime_ns: '-9223372036854775808',
      ctime_ns: '9223372036854775807',
      content_type: 'image/jpeg',
      tags: ['b', 'a', 'b'],
      dataset_ids: ['z', 'y'],
      coding: 'identity',
      something_new: { of: 'a later version' },
    })
    assert.deepEqual(found, {
      path: '/a/\xff\0',
      sizeBytes: 5,
      mtimeNs: -(2n ** 63n),
      ctimeNs: 2n ** 63n - 1n,
      labels: {
        root: '/\xfe',
        contentType: 'image/jpeg',
        tags: ['a', 'b'],
        datasetIds: ['y', 'z'],
        coding: 'identity',
        capture: null,
      },
    })
  })

  test('names a file in UTF-8', () => {
    const utf8 = Buffer.from('/größe/😀').toString('latin1')
    assert.equal(decodeFile({ path: '/größe/😀' }).path, utf8)
    assert.equal(
      decodeFile({ root: '/größe' }).labels.root,
      Buffer.from('/größe').toString('latin1'),
    )
  })

  test('says the same as one in MessagePack', () => {
    const manifest = decode({ version: 1, files: [file, { ...file, path: '/c', tags: ['x'] }] })
    assert.deepEqual(decodeManifest(encodeManifest(manifest)), manifest)
  })

  test('may name a file that the receiver will not take: that one is rejected, not the message', () => {
    for (const path of ['', 'relative', '/..', '/a\0', `/${'x'.repeat(5000)}`]) {
      assert.equal(decodeFile({ path }).path, path as BytePath)
    }
  })

  test('may hold __proto__ as a member and as a text', () => {
    const found = decode(
      `{"__proto__": {"version": 9}, "version": 1, "files": [
        {"__proto__": {"tags": ["evil"]}, "path": "/__proto__", "size": 0, "mtime_ns": "0",
         "content_type": "__proto__"}]}`,
    )
    assert.deepEqual(found.files[0]!.labels.tags, [])
    assert.equal(found.files[0]!.labels.contentType, '__proto__')
    assert.throws(() => decode('{"__proto__": {"version": 1, "files": []}}'), isBadManifest)
    assert.deepEqual(Object.keys(Object.prototype), [])
  })
})

const longText = 'x'.repeat(4097)
const refusedFiles: readonly [string, object, RegExp][] = [
  ['without a path', { path: undefined }, /files\[0\] needs "path" or "path_base64"/],
  ['with two paths', { path_base64: 'L2E=' }, /both "path" and "path_base64"/],
  ['with a path that is a number', { path: 7 }, /files\[0\]\.path must be a text/],
  ['with a path that is null', { path: null }, /files\[0\]\.path must be a text/],
  ['with a path that is half a character', { path: '/\ud800' }, /files\[0\]\.path must be a text/],
  ['with a path that is no base64', { path: undefined, path_base64: '/a b*' }, /padded base64/],
  ['with base64 without padding', { path: undefined, path_base64: 'L2E' }, /padded base64/],
  ['with a base64 that is a number', { path: undefined, path_base64: 1 }, /padded base64/],
  ['with a path of 8,193 bytes', { path: `/${'é'.repeat(4096)}` }, /path is too long/],
  ['with a root of 4,097 bytes', { root: longText }, /root is too long/],
  ['with a root that is a list', { root: [] }, /root must be a text/],
  ['without a size', { size: undefined }, /files\[0\]\.size must be an integer from 0/],
  ['with a negative size', { size: -1 }, /size must be an integer/],
  ['with half a byte', { size: 0.5 }, /size must be an integer/],
  ['with a size over 2^50', { size: 2 ** 50 + 1 }, /size must be an integer/],
  ['with a size over 2^53', { size: 2 ** 60 }, /size must be an integer/],
  ['with a size as text', { size: '5' }, /size must be an integer/],
  ['without a time', { mtime_ns: undefined }, /mtime_ns must be nanoseconds/],
  ['with a time as number', { mtime_ns: 17 }, /mtime_ns must be nanoseconds/],
  ['with a time of 64 bits', { mtime_ns: '9223372036854775808' }, /mtime_ns must be nanoseconds/],
  ['with a time of many digits', { mtime_ns: '1'.repeat(100_000) }, /mtime_ns must be/],
  ['with a time in hex', { mtime_ns: '0x10' }, /mtime_ns must be nanoseconds/],
  ['with a time that is empty', { mtime_ns: '' }, /mtime_ns must be nanoseconds/],
  ['with a change time as number', { ctime_ns: 17 }, /ctime_ns must be nanoseconds/],
  ['with one tag instead of a list', { tags: 'a' }, /tags must be a list of at most 256 texts/],
  ['with 257 tags', { tags: Array(257).fill('a') }, /tags must be a list of at most 256 texts/],
  ['with a tag that is a number', { tags: ['a', 1] }, /tags must be a text/],
  ['with a tag of 1,025 bytes', { tags: [`${'é'.repeat(512)}x`] }, /at most 1024 bytes/],
  ['with a tag that is half a character', { tags: ['\udc00'] }, /tags must be a text/],
  ['with a dataset id that is null', { dataset_ids: [null] }, /dataset_ids must be a text/],
  ['with a content type of 4,097 bytes', { content_type: longText }, /content_type must be a text/],
  ['with a content type that is null', { content_type: null }, /content_type must be a text/],
  ['with a coding of gzip', { coding: 'gzip' }, /coding must be "identity"/],
]

describe('invariant 9: a manifest in JSON from the network', () => {
  for (const [what, members, message] of refusedFiles) {
    test(`that names a file ${what} is refused`, () => {
      assert.throws(() => decodeFile(members), isBadManifest)
      assert.throws(() => decodeFile(members), message)
    })
  }

  test('that is no manifest is refused', () => {
    const others = [
      '',
      'nothing',
      'null',
      '[]',
      '"x"',
      '7',
      '{}',
      '{"version":1}',
      '{"version":"1"}',
    ]
    for (const json of others) assert.throws(() => decode(json), isBadManifest, json)
    for (const files of [undefined, null, {}, [], '/a', [null], [[]], ['/a']]) {
      assert.throws(() => decode({ version: 1, files }), isBadManifest, JSON.stringify(files))
    }
    assert.throws(() => decode({ version: 2, files: [file] }), /"version" must be 1/)
    assert.throws(
      () => decode({ version: 1, files: Array(1025).fill(file) }),
      /a list of 1 to 1024/,
    )
    assert.equal(decode({ version: 1, files: Array(1024).fill(file) }).files.length, 1024)
  })

  test('that is not UTF-8 is refused', () => {
    const json = Buffer.from(JSON.stringify({ version: 1, files: [{ ...file, path: '/é' }] }))
    json[json.indexOf(0xc3)] = 0xff
    assert.throws(() => decodeJsonManifest(json), /not JSON in UTF-8/)
  })

  test('that is nested very deeply is refused', () => {
    const depth = 400_000
    assert.throws(() => decode('['.repeat(depth)), isBadManifest)
    assert.throws(() => decode('['.repeat(depth) + ']'.repeat(depth)), isBadManifest)
    const path = `${'{"path":'.repeat(100_000)}1${'}'.repeat(100_000)}`
    assert.throws(() => decode(`{"version":1,"files":[{"path":${path}}]}`), isBadManifest)
  })

  test('that is cut anywhere is refused', () => {
    const whole = Buffer.from(JSON.stringify({ version: 1, files: [file] }))
    for (let size = 0; size < whole.length; size += 1) {
      assert.throws(() => decodeJsonManifest(whole.subarray(0, size)), isBadManifest)
    }
  })

  test('that is damaged at random is refused, or says something that can be said again', () => {
    const random = new Random(7)
    const members = {
      ...file,
      root: '/a',
      tags: ['x', 'y'],
      content_type: 'text/csv',
      ctime_ns: '-5',
    }
    const valid = Buffer.from(JSON.stringify({ version: 1, files: [members, file] }))
    let accepted = 0
    for (let round = 0; round < 5000; round += 1) {
      const bad = mutated(random, valid)
      try {
        const found = decodeJsonManifest(bad)
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
