import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BytePath } from '../../src/base/byte-path.ts'
import { MsgpackError } from '../../src/wire/msgpack-reader.ts'
import {
  decodeOutcomes,
  encodeOutcomes,
  type Outcome,
  outcomesAsJson,
} from '../../src/wire/outcome.ts'
import { mutated } from './manifests.ts'
import { Random } from './random.ts'

const digest = 'ab'.repeat(32)
const outcomes: readonly Outcome[] = [
  { status: 'stored', sizeBytes: 0, digest },
  { status: 'already_stored', sizeBytes: 2 ** 50, digest: '00'.repeat(32) },
  { status: 'rejected', reason: 'digest_mismatch', sizeBytes: 300, digest },
  { status: 'rejected', reason: 'name_not_allowed', sizeBytes: 1, digest },
]

describe('outcomes', () => {
  test('have the bytes that they always had: segments hold them', () => {
    const inHex = [
      '92 01 94',
      `93 00 00 c420 ${digest}`,
      `93 01 cf0004000000000000 c420 ${'00'.repeat(32)}`,
      `93 02 cd012c c420 ${digest}`,
      `93 03 01 c420 ${digest}`,
    ]
    assert.equal(encodeOutcomes(outcomes).toString('hex'), inHex.join('').replaceAll(' ', ''))
  })

  test('come back as they were', () => {
    assert.deepEqual(decodeOutcomes(encodeOutcomes(outcomes), 4), outcomes)
    assert.deepEqual(decodeOutcomes(encodeOutcomes([]), 0), [])
  })

  test('are for exactly the files that were sent', () => {
    for (const count of [0, 3, 5, 1024]) {
      assert.throws(() => decodeOutcomes(encodeOutcomes(outcomes), count), {
        name: 'MsgpackError',
        message: `expected the outcomes of ${count} files, found 4`,
      })
    }
  })

  test('are written in JSON for others', () => {
    assert.deepEqual(JSON.parse(outcomesAsJson(outcomes)), {
      outcomes: [
        { status: 'stored', size: 0, blake3: digest },
        { status: 'already_stored', size: 2 ** 50, blake3: '00'.repeat(32) },
        { status: 'rejected', reason: 'digest_mismatch', size: 300, blake3: digest },
        { status: 'rejected', reason: 'name_not_allowed', size: 1, blake3: digest },
      ],
    })
  })

  test('say in JSON, and only there, under which path a file without a manifest stands', () => {
    const named = ['/a "b".jpg', '/\xc3\xbc', '/\xff'].map((path): Outcome => {
      return { status: 'stored', sizeBytes: 1, digest, path: path as BytePath }
    })
    assert.deepEqual(JSON.parse(outcomesAsJson(named)).outcomes, [
      { status: 'stored', path: '/a "b".jpg', size: 1, blake3: digest },
      { status: 'stored', path: '/ü', size: 1, blake3: digest },
      { status: 'stored', path: '/\ufffd', path_base64: 'L/8=', size: 1, blake3: digest },
    ])
    const plain = named.map(({ path: _, ...outcome }) => outcome)
    assert.deepEqual(encodeOutcomes(named), encodeOutcomes(plain))
  })

  test('of another version, with an unknown code, a short hash or more behind them are refused', () => {
    const refused = [
      ['9202 9193 00 00 c420', 'unknown version'],
      ['9201 9193 04 00 c420', 'expected an integer from 0 to 3, found 4'],
      ['9201 9193 ff 00 c420', 'expected an integer from 0 to 3, found -1'],
      ['9201 9193 00 cf0004000000000001 c420', 'expected an integer from 0 to 1125899906842624'],
      ['9201 9192 00 00 c420', 'expected 3 fields, found 2'],
    ] as const
    for (const [head, message] of refused) {
      const bytes = Buffer.from(head.replaceAll(' ', '') + digest, 'hex')
      assert.throws(
        () => decodeOutcomes(bytes, 1),
        (error: Error) => error.message.startsWith(message),
      )
    }
    const longer = Buffer.concat([encodeOutcomes(outcomes), Buffer.from([0])])
    assert.throws(() => decodeOutcomes(longer, 4), { message: '1 bytes too many' })
    const short = Buffer.from(`920191930000c41f${'ab'.repeat(31)}`, 'hex')
    assert.throws(() => decodeOutcomes(short, 1), { message: 'a digest has the wrong length' })
  })

  test('that are cut or damaged are refused with one kind of error', () => {
    const random = new Random(11)
    const valid = encodeOutcomes(outcomes)
    for (let size = 0; size < valid.length; size += 1) {
      assert.throws(() => decodeOutcomes(valid.subarray(0, size), 4), MsgpackError)
    }
    for (let round = 0; round < 3000; round += 1) {
      try {
        const found = decodeOutcomes(mutated(random, valid), 4)
        assert.deepEqual(decodeOutcomes(encodeOutcomes(found), 4), found)
      } catch (error) {
        assert.ok(error instanceof MsgpackError, String(error))
      }
    }
  })
})
