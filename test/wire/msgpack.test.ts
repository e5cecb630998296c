import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Packr, Unpackr } from 'msgpackr'
import { MsgpackReader } from '../../src/wire/msgpack-reader.ts'
import { MsgpackWriter } from '../../src/wire/msgpack-writer.ts'
import { randomValue, readLike, writeValue } from './msgpack-values.ts'
import { Random } from './random.ts'

function written(write: (out: MsgpackWriter) => void): string {
  const out = new MsgpackWriter(1)
  write(out)
  assert.equal(out.length, out.bytes().length)
  return out.bytes().toString('hex')
}

describe('MsgpackWriter', () => {
  test('writes every integer in the shortest form that the specification has for it', () => {
    const forms: [number | bigint, string][] = [
      [0, '00'],
      [-0, '00'],
      [127, '7f'],
      [128, 'cc80'],
      [255, 'ccff'],
      [256, 'cd0100'],
      [65_535, 'cdffff'],
      [65_536, 'ce00010000'],
      [2 ** 32 - 1, 'ceffffffff'],
      [2 ** 32, 'cf0000000100000000'],
      [2 ** 53 - 1, 'cf001fffffffffffff'],
      [2n ** 53n, 'cf0020000000000000'],
      [2n ** 63n - 1n, 'cf7fffffffffffffff'],
      [-1, 'ff'],
      [-32, 'e0'],
      [-33, 'd0df'],
      [-128, 'd080'],
      [-129, 'd1ff7f'],
      [-32_768, 'd18000'],
      [-32_769, 'd2ffff7fff'],
      [-(2 ** 31), 'd280000000'],
      [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
      [-(2n ** 63n), 'd38000000000000000'],
    ]
    for (const [value, hex] of forms) {
      const asBigint = BigInt(value)
      assert.equal(
        written((out) => out.int(value)),
        hex,
      )
      assert.equal(
        written((out) => out.int(asBigint)),
        hex,
        `${value} as a bigint`,
      )
      assert.equal(new MsgpackReader(Buffer.from(hex, 'hex')).bigint(), asBigint)
    }
  })

  test('writes the shortest head for texts, bytes and arrays, at both sides of each limit', () => {
    const heads: [number, string, string, string][] = [
      [0, 'a0', 'c400', '90'],
      [15, 'af', 'c40f', '9f'],
      [16, 'b0', 'c410', 'dc0010'],
      [31, 'bf', 'c41f', 'dc001f'],
      [32, 'd920', 'c420', 'dc0020'],
      [255, 'd9ff', 'c4ff', 'dc00ff'],
      [256, 'da0100', 'c50100', 'dc0100'],
      [65_535, 'daffff', 'c5ffff', 'dcffff'],
      [65_536, 'db00010000', 'c600010000', 'dd00010000'],
    ]
    for (const [size, text, binary, array] of heads) {
      const letters = 'x'.repeat(size)
      const content = Buffer.from(letters).toString('hex')
      assert.equal(
        written((out) => out.text(letters)),
        text + content,
      )
      assert.equal(
        written((out) => out.binary(Buffer.from(letters))),
        binary + content,
      )
      assert.equal(
        written((out) => out.binaryFromLatin1(letters)),
        binary + content,
      )
      assert.equal(
        written((out) => out.array(size)),
        array,
      )
    }
  })

  test('writes a text as UTF-8 and latin1 chars as one byte each', () => {
    assert.equal(
      written((out) => out.text('é😀')),
      'a6c3a9f09f9880',
    )
    assert.equal(
      written((out) => out.binaryFromLatin1('\xe9\0\xff')),
      'c403e900ff',
    )
  })

  test('hands out a copy, which later writing does not touch', () => {
    const out = new MsgpackWriter()
    out.int(1)
    const bytes = out.bytes()
    out.int(2)
    bytes[0] = 9
    assert.equal(out.bytes().toString('hex'), '0102')
  })
})

describe('MsgpackWriter and MsgpackReader', () => {
  const random = new Random(1)
  const values = Array.from({ length: 500 }, () => randomValue(random, 4))

  test('what was written is read back', () => {
    for (const value of values) {
      const out = new MsgpackWriter(16)
      writeValue(out, value)
      const from = new MsgpackReader(out.bytes())
      assert.deepEqual(readLike(from, value), value)
      from.end()
    }
  })

  test('msgpackr reads what is written here', () => {
    const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint' })
    for (const value of values) {
      const out = new MsgpackWriter(16)
      writeValue(out, value)
      assert.deepEqual(bigintsOf(unpackr.unpack(out.bytes())), value)
    }
  })

  test('what msgpackr writes is read here', () => {
    const packr = new Packr({ useRecords: false })
    for (const value of values) {
      const from = new MsgpackReader(packr.pack(value))
      assert.deepEqual(readLike(from, value), value)
      from.end()
    }
  })

  function bigintsOf(value: unknown): unknown {
    if (typeof value === 'number') return BigInt(value)
    if (Array.isArray(value)) return value.map(bigintsOf)
    return value
  }
})
