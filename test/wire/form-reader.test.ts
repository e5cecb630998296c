import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FormReader } from '../../src/wire/form-reader.ts'
import { maxFilesPerMessage, maxPartHeaderBytes } from '../../src/wire/limits.ts'
import { curlThreeFiles } from '../support/curl-requests.ts'
import { readForm } from './form-recorder.ts'
import { boundary, contentType, multipart, type Part, part } from './parts.ts'
import { byteByByte, cutInTwo } from './recorder.ts'

const badMultipart = { name: 'WireError', code: 'bad_multipart', httpStatus: 400 }

function whole(body: Buffer): Buffer[] {
  return [Buffer.from(body)]
}

function formOf(...contents: (string | Buffer)[]): Buffer {
  return multipart(contents.map((body) => part('file', body)))
}

describe('FormReader', () => {
  test('reads what curl sends, wherever it is cut on its way', () => {
    const { contentType: type, body } = curlThreeFiles
    const wanted = readForm(type, whole(body))
    assert.equal(wanted.complete, true)
    assert.deepEqual(
      wanted.parts.map(({ header: { name, fileName }, bytes }) => [name, fileName, String(bytes)]),
      [
        ['file', 'a.jpg', 'hello\n'],
        ['file', 'b "q" \\n% \xc3\xbc.txt', 'x\0\r\n--y'],
        ['file', 'empty.dat', ''],
        ['note', undefined, 'hi'],
      ],
    )
    for (const { bytes, offset } of wanted.parts) {
      if (offset === undefined) assert.equal(bytes.length, 0)
      else assert.deepEqual(body.subarray(offset, offset + bytes.length), bytes)
    }
    for (let at = 0; at <= body.length; at += 1) {
      assert.deepEqual(readForm(type, cutInTwo(body, at)), wanted, `cut at ${at}`)
    }
    assert.deepEqual(readForm(type, byteByByte(body)), wanted)
  })

  test('takes for content what only begins like the boundary', () => {
    const begun = `\r\n--${boundary}`
    for (let size = 1; size < begun.length; size += 1) {
      const bait = begun.slice(0, size)
      const contents = [bait, bait + bait, `a${bait}b`, `${bait}\r\n`, `\r${bait}`, `-${boundary}`]
      const body = formOf(...contents)
      for (const pieces of [whole(body), byteByByte(body)]) {
        const { complete, parts } = readForm(contentType, pieces)
        assert.equal(complete, true)
        assert.deepEqual(
          parts.map(({ bytes }) => String(bytes)),
          contents,
        )
      }
    }
  })

  test('is complete only with the closing boundary, which one line end may follow', () => {
    const body = formOf('abc', '')
    const closed = body.length - 2
    for (let size = 0; size <= body.length; size += 1) {
      const { complete } = readForm(contentType, whole(body.subarray(0, size)))
      assert.equal(complete, size >= closed, `${size} bytes`)
    }
  })

  test('ends a part whose header the boundary follows at once', () => {
    const { parts } = readForm(contentType, whole(formOf('abc')))
    const header = `--${boundary}\r\nContent-Disposition: form-data; name="empty"\r\n`
    const body = Buffer.concat([Buffer.from(`${header}\r\n`), formOf('abc')])
    for (const pieces of [whole(body), byteByByte(body)]) {
      const [empty, second, ...more] = readForm(contentType, pieces).parts
      assert.deepEqual(empty!.bytes, Buffer.alloc(0))
      assert.deepEqual([second!.bytes, more], [parts[0]!.bytes, []])
    }
  })

  test('refuses what is not a form', () => {
    const form = formOf('abc')
    const text = String(form)
    const bad: readonly (string | Buffer)[] = [
      'something else that is long enough',
      `\r\n${text}`,
      `hello\r\n${text}`,
      text.replaceAll(boundary, `${boundary}x`),
      text.replaceAll(boundary, `x${boundary}`),
      text.replace(`--${boundary}\r\n`, `--${boundary} \r\n`),
      `--${boundary}--\r\n`,
      `${text}x`,
      `${text}\r\n`,
      text.replace(/--\r\n$/, '-x\r\n'),
      multipart([{ header: [], body: 'abc' }]),
      multipart([{ header: ['Content-Type: text/plain'], body: 'abc' }]),
      multipart([{ header: ['Content-Disposition: attachment; filename="x"'], body: 'abc' }]),
      formOf(`abc\r\n--${boundary}x`),
    ]
    for (const body of bad) {
      const bytes = Buffer.from(body as string)
      for (const pieces of [whole(bytes), byteByByte(bytes)]) {
        assert.throws(() => readForm(contentType, pieces), badMultipart, String(body))
      }
    }
  })

  test('invariant 9: takes 1,024 parts, and not one more', () => {
    const parts: Part[] = Array.from({ length: maxFilesPerMessage }, () => part('x', ''))
    assert.equal(readForm(contentType, whole(multipart(parts))).parts.length, 1024)
    const more = multipart([...parts, part('x', '')])
    assert.throws(() => readForm(contentType, whole(more)), badMultipart)
  })

  test('invariant 9: the header of a part, and all of them together, have a limit', () => {
    const disposition = 'Content-Disposition: form-data; name="x"'
    const withHeaderOf = (size: number): Part => {
      const filler = `X-Long: ${'x'.repeat(size - disposition.length - '\r\nX-Long: '.length)}`
      return { header: [disposition, filler], body: '' }
    }
    const fits = multipart([withHeaderOf(maxPartHeaderBytes)])
    assert.equal(readForm(contentType, byteByByte(fits)).complete, true)
    const tooLong = multipart([withHeaderOf(maxPartHeaderBytes + 1)])
    assert.throws(() => readForm(contentType, whole(tooLong)), badMultipart)
    const endless = Buffer.from(`--${boundary}\r\n${disposition}\r\nX: ${'x'.repeat(5000)}`)
    assert.throws(() => readForm(contentType, byteByByte(endless)), badMultipart)
    const long = Array.from({ length: 257 }, () => withHeaderOf(4096))
    assert.equal(readForm(contentType, whole(multipart(long.slice(1)))).complete, true)
    assert.throws(() => readForm(contentType, whole(multipart(long))), badMultipart)
  })

  test('invariant 7: a file of 100 MiB passes through without a trace in memory', () => {
    let passed = 0
    const reader = new FormReader(boundary, {
      onPart: () => {},
      onData: (bytes) => {
        passed += bytes.length
      },
      onPartEnd: () => {},
    })
    const [head, tail] = String(formOf('@')).split('@')
    reader.push(Buffer.from(head!))
    // Ends in what may be a boundary's first bytes, so that something is held each time.
    const piece = Buffer.concat([Buffer.alloc(64 * 1024 - 9, 'x'), Buffer.from('\r\n--the-b')])
    const before = process.memoryUsage().arrayBuffers
    for (let round = 0; round < 1600; round += 1) reader.push(piece)
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024)
    reader.push(Buffer.from(tail!))
    assert.equal(passed, 1600 * piece.length)
    assert.equal(reader.complete, true)
  })
})
