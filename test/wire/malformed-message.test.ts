import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { WireError, type WireErrorCode } from '../../src/wire/wire-error.ts'
import {
  boundary,
  contentType,
  digestsPart,
  jsonManifest,
  multipart,
  type Part,
  part,
} from './parts.ts'
import { byteByByte, cutInTwo, readPieces, readWhole } from './recorder.ts'

const manifest = jsonManifest([
  { path: '/a', size: 3 },
  { path: '/b', size: 2 },
])
const a = part('file', 'abc')
const b = part('file', 'de')
const digests = digestsPart(2)
const valid = multipart([manifest, a, b, digests])

/** The valid message with another part in the place of one of its own. */
function withPart(index: number, instead: Part): Buffer {
  return multipart([manifest, a, b, digests].with(index, instead))
}

function withHeader(index: number, ...header: string[]): Buffer {
  return withPart(index, { header, body: [manifest, a, b, digests][index]!.body })
}

function typed(type: string): Buffer {
  return withPart(0, part('manifest', manifest.body, `Content-Type: ${type}`))
}

const dispositionOfFile = 'Content-Disposition: form-data; name="file"'
const longLine = `X-Long: ${'x'.repeat(4096 - dispositionOfFile.length - 2 - 'X-Long: '.length)}`

const malformed: readonly [string, Buffer, WireErrorCode, RegExp][] = [
  ['is something else', Buffer.alloc(200, 'x'), 'bad_multipart', /start with its boundary/],
  [
    'has text before its parts',
    Buffer.concat([Buffer.from('hello\r\n'), valid]),
    'bad_multipart',
    /start with its boundary/,
  ],
  [
    'starts with a line end',
    Buffer.concat([Buffer.from('\r\n'), valid]),
    'bad_multipart',
    /start with its boundary/,
  ],
  [
    'has another boundary',
    Buffer.from(valid.toString().replaceAll(boundary, 'a-boundary-x')),
    'bad_multipart',
    /start with its boundary/,
  ],
  [
    'has a longer boundary',
    Buffer.from(valid.toString().replaceAll(boundary, `${boundary}x`)),
    'bad_multipart',
    /not followed by a line end/,
  ],
  ['has no part', multipart([]), 'bad_multipart', /not followed by a line end/],
  [
    'has no manifest',
    multipart([a, b, digests]),
    'bad_multipart',
    /expected the part "manifest", found "file"/,
  ],
  [
    'has two manifests',
    multipart([manifest, manifest, a, b]),
    'bad_multipart',
    /expected the part "file", found "manifest"/,
  ],
  [
    'has a file too few',
    multipart([manifest, a, digests]),
    'bad_multipart',
    /expected the part "file", found "digests"/,
  ],
  [
    'has a file too many',
    multipart([manifest, a, b, b, digests]),
    'bad_multipart',
    /expected the part "digests", found "file"/,
  ],
  [
    'has its digests first',
    multipart([digests, manifest, a, b]),
    'bad_multipart',
    /expected the part "manifest", found "digests"/,
  ],
  [
    'has its digests among the files',
    multipart([manifest, a, digests, b]),
    'bad_multipart',
    /expected the part "file", found "digests"/,
  ],
  ['has no digests', multipart([manifest, a, b]), 'bad_multipart', /not followed by a line end/],
  ['ends after its manifest', multipart([manifest]), 'bad_multipart', /not followed by a line end/],
  [
    'has a part after its digests',
    multipart([manifest, a, b, digests, a]),
    'bad_multipart',
    /closing boundary does not follow/,
  ],
  [
    'has a part that nobody knows',
    withPart(1, part('comment', 'abc')),
    'bad_multipart',
    /expected the part "file", found "comment"/,
  ],
  [
    'has a part named __proto__',
    withPart(1, part('__proto__', 'abc')),
    'bad_multipart',
    /found "__proto__"/,
  ],
  [
    'has a file that is a byte too long',
    withPart(1, part('file', 'abcd')),
    'length_mismatch',
    /where file 1 must end/,
  ],
  [
    'has a file that is a byte too short',
    withPart(1, part('file', 'ab')),
    'length_mismatch',
    /where file 1 must end/,
  ],
  [
    'has a last file that is a byte too long',
    withPart(2, part('file', 'def')),
    'length_mismatch',
    /where file 2 must end/,
  ],
  [
    'has a last file that is a byte too short',
    withPart(2, part('file', 'd')),
    'length_mismatch',
    /where file 2 must end/,
  ],
  [
    'has a byte too many of digests',
    withPart(3, part('digests', Buffer.alloc(65))),
    'length_mismatch',
    /where the digests part must end/,
  ],
  [
    'has a byte too few of digests',
    withPart(3, part('digests', Buffer.alloc(63))),
    'length_mismatch',
    /where the digests part must end/,
  ],
  [
    'has digests of three files',
    withPart(3, digestsPart(3)),
    'length_mismatch',
    /where the digests part must end/,
  ],
  ['has a part without header lines', withHeader(1), 'bad_multipart', /has no header/],
  [
    'has a part without a disposition',
    withHeader(1, 'Content-Type: image/jpeg'),
    'bad_multipart',
    /a part has no name/,
  ],
  [
    'has a part without a name',
    withHeader(1, 'Content-Disposition: form-data'),
    'bad_multipart',
    /a part has no name/,
  ],
  [
    'has a part that is an attachment',
    withHeader(1, 'Content-Disposition: attachment; name="file"'),
    'bad_multipart',
    /expected form-data/,
  ],
  [
    'has a header line without a colon',
    withHeader(1, dispositionOfFile, 'nonsense'),
    'bad_multipart',
    /header line without a name/,
  ],
  [
    'has a header line that begins with a colon',
    withHeader(1, ': x', dispositionOfFile),
    'bad_multipart',
    /header line without a name/,
  ],
  [
    'has a name whose quote does not end',
    withHeader(1, 'Content-Disposition: form-data; name="file'),
    'bad_multipart',
    /bad parameter/,
  ],
  [
    'has a header of 4,097 bytes',
    withHeader(1, dispositionOfFile, `${longLine}x`),
    'bad_multipart',
    /header has over 4096 bytes/,
  ],
  [
    'has a header that does not end',
    Buffer.concat([multipart([manifest], `--${boundary}\r\n`), Buffer.alloc(5000, 'x')]),
    'bad_multipart',
    /header has over 4096 bytes/,
  ],
  [
    'has a manifest of no type',
    withPart(0, part('manifest', manifest.body)),
    'bad_manifest',
    /found ""/,
  ],
  ['has a manifest of another type', typed('text/plain'), 'bad_manifest', /found "text\/plain"/],
  [
    'says MessagePack and sends JSON',
    typed('application/vnd.msgpack'),
    'bad_manifest',
    /cannot be read/,
  ],
  ['has an empty manifest', withPart(0, { ...manifest, body: '' }), 'bad_manifest', /not JSON/],
  [
    'has a manifest that holds the boundary',
    withPart(0, { ...manifest, body: `{"a":"\r\n--${boundary}"}` }),
    'bad_manifest',
    /not JSON/,
  ],
  [
    'has half a line end after a boundary',
    Buffer.from(
      valid.toString('latin1').replace(`--${boundary}\r\n`, `--${boundary}\rx`),
      'latin1',
    ),
    'bad_multipart',
    /not followed by a line end/,
  ],
  [
    'has one dash after its last boundary',
    multipart([manifest, a, b, digests], `--${boundary}-\r\n`),
    'bad_multipart',
    /closing boundary does not follow/,
  ],
  [
    'goes on after its end',
    Buffer.concat([valid, Buffer.from('x')]),
    'bad_multipart',
    /bytes follow the closing boundary/,
  ],
  [
    'goes on with an empty line',
    Buffer.concat([valid, Buffer.from('\r\n')]),
    'bad_multipart',
    /bytes follow the closing boundary/,
  ],
  [
    'goes on after a bare line feed',
    multipart([manifest, a, b, digests], `--${boundary}--\n`),
    'bad_multipart',
    /bytes follow the closing boundary/,
  ],
  [
    'comes twice',
    Buffer.concat([valid, valid]),
    'bad_multipart',
    /bytes follow the closing boundary/,
  ],
]

describe('invariant 9: a message', () => {
  test('that is valid is what the others differ from', () => {
    assert.equal(readWhole(contentType, valid).complete, true)
    const longest = withHeader(1, dispositionOfFile, longLine)
    for (let at = 0; at <= longest.length; at += 1) {
      assert.equal(readPieces(contentType, cutInTwo(longest, at)).complete, true, `cut at ${at}`)
    }
  })

  for (const [what, body, code, message] of malformed) {
    test(`that ${what} is refused with ${code}, however it is cut`, () => {
      const isRefused = (error: unknown) => {
        assert.ok(error instanceof WireError, String(error))
        assert.equal(error.code, code)
        assert.match(error.message, message)
        return true
      }
      assert.throws(() => readWhole(contentType, body), isRefused)
      assert.throws(() => readPieces(contentType, byteByByte(body)), isRefused)
      for (let at = 0; at <= body.length; at += 1) {
        assert.throws(() => readPieces(contentType, cutInTwo(body, at)), isRefused)
      }
    })
  }
})
