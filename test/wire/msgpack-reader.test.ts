import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MsgpackError, MsgpackReader } from '../../src/wire/msgpack-reader.ts'
import { MsgpackWriter } from '../../src/wire/msgpack-writer.ts'
import { randomValue, readLike, writeValue } from './msgpack-values.ts'
import { Random } from './random.ts'

function reading(hex: string): MsgpackReader {
  return new MsgpackReader(Buffer.from(hex, 'hex'))
}

describe('MsgpackReader', () => {
  test('reads integers and heads that are longer than they need be', () => {
    for (const hex of ['01', 'cc01', 'cd0001', 'ce00000001', 'cf0000000000000001', 'd001']) {
      assert.equal(reading(hex).bigint(), 1n)
    }
    for (const hex of ['d10001', 'd200000001', 'd30000000000000001']) {
      assert.equal(reading(hex).uint(1), 1)
    }
    assert.equal(reading('db0000000161').text(1), 'a')
    assert.deepEqual(reading('c60000000161').binary(1), Buffer.from('a'))
    assert.equal(reading('dd0000000100').array(1), 1)
  })

  test('refuses whatever is not what was asked for', () => {
    const ask: [string, (from: MsgpackReader) => unknown, readonly string[]][] = [
      [
        'integer',
        (from) => from.bigint(),
        ['a161', 'c40161', '90', 'c0', 'cb3ff0000000000000', 'c2'],
      ],
      ['text', (from) => from.text(9), ['01', 'c40161', '90', 'c0', '81a16101', 'd4ff00']],
      ['bytes', (from) => from.binary(9), ['01', 'a161', '90', 'c0', 'c70161ff', 'c1']],
      [
        'array',
        (from) => from.array(9),
        ['01', 'a161', 'c40161', 'c0', '80', 'de0000', 'df00000000'],
      ],
    ]
    for (const [, read, inputs] of ask) {
      for (const hex of inputs) {
        assert.throws(
          () => read(reading(hex)),
          { name: 'MsgpackError', message: /found tag 0x/ },
          hex,
        )
      }
    }
    assert.equal(reading('c2').nilNext(), false)
  })

  test('refuses integers of more than 63 bits, out of range, and negative where a count is meant', () => {
    assert.throws(() => reading('cf8000000000000000').bigint(), { message: /over 63 bits/ })
    assert.throws(() => reading('cfffffffffffffffff').uint(1), { message: /over 63 bits/ })
    assert.throws(() => reading('cc80').uint(127), { message: /from 0 to 127, found 128/ })
    assert.throws(() => reading('ff').uint(127), { message: /found -1/ })
    assert.throws(() => reading('d38000000000000000').uint(127), { message: /from 0 to 127/ })
    assert.equal(reading('cf001fffffffffffff').uint(Number.MAX_SAFE_INTEGER), 2 ** 53 - 1)
  })

  test('refuses texts that are not UTF-8, and keeps a byte order mark', () => {
    for (const hex of ['a1ff', 'a2c080', 'a3eda080', 'a1c3', 'a4f4908080']) {
      assert.throws(() => reading(hex).text(9), { message: 'text is not UTF-8' }, hex)
    }
    assert.equal(reading('a4efbbbf61').text(9), '\ufeffa')
  })

  test('refuses what is longer than the caller allows', () => {
    assert.throws(() => reading('a26161').text(1), { message: /at most 1 bytes, found 2/ })
    assert.throws(() => reading('c4026161').binary(1), { message: /at most 1 bytes, found 2/ })
    assert.throws(() => reading('920000').array(1), { message: /at most 1 entries, found 2/ })
    assert.throws(() => reading('920000').tuple(3), { message: /expected 3 fields, found 2/ })
    assert.throws(() => reading('0102').end(), { message: '2 bytes too many' })
  })

  test('refuses a value that is cut anywhere', () => {
    const random = new Random(2)
    for (let round = 0; round < 100; round += 1) {
      const value = randomValue(random, 3)
      const out = new MsgpackWriter()
      writeValue(out, value)
      const whole = out.bytes()
      for (let size = 0; size < whole.length; size += 1 + (size >> 5)) {
        const from = new MsgpackReader(whole.subarray(0, size))
        assert.throws(() => readLike(from, value), MsgpackError)
      }
    }
  })

  test('does not read beyond its view of a larger buffer', () => {
    const larger = Buffer.from('01a3616263', 'hex')
    assert.throws(() => new MsgpackReader(larger.subarray(1, 3)).text(9), MsgpackError)
    assert.equal(new MsgpackReader(larger.subarray(1)).text(9), 'abc')
  })

  test('invariant 9: a head that announces very much costs nothing', () => {
    const heads = ['dd00ffffff', 'dd3fffffff', 'ddffffffff', 'dbffffffff', 'c6ffffffff', 'dcffff']
    const before = memoryBytes()
    for (let round = 0; round < 2000; round += 1) {
      for (const head of heads) {
        assert.throws(() => reading(head).array(2 ** 32), MsgpackError)
        assert.throws(() => reading(head).text(2 ** 32), MsgpackError)
        assert.throws(() => reading(head).binary(2 ** 32), MsgpackError)
      }
    }
    // The smallest of these arrays would be 128 MiB.
    assert.ok(memoryBytes() - before < 64 * 1024 * 1024)
  })

  function memoryBytes(): number {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
})
