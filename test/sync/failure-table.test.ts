import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { getSystemErrorMap } from 'node:util'
import { decideFailure, withoutDeviceFaults } from '../../src/sync/failure-decision.ts'
import {
  actionByClass,
  actionByKind,
  actionByProblem,
  actionByStatus,
} from '../../src/sync/failure-table.ts'
import { settlementOf } from '../../src/sync/settle.ts'
import type { TransferFailureKind } from '../../src/wire/transfer-failure.ts'
import { failureOf } from '../../workers/failure.ts'
import { kindByCode } from '../../workers/failure-codes.ts'
import { readFailure } from '../../workers/open-file.ts'
import { refused } from '../support/fake-transport.ts'

const page = readText('../../docs/reliability.md')

function readText(path: string): string {
  return readFileSync(new URL(path, import.meta.url), 'utf8')
}

/** The rows of the table under this heading, as the codes in their first two cells. */
function rowsOf(heading: string): { readonly ids: string[]; readonly means: string[] }[] {
  const lines = page.split('\n')
  const first = lines.findIndex((line) => line.startsWith(`| ${heading} `))
  assert.notEqual(first, -1, `no table begins with ${heading}`)
  const rows = lines.slice(first + 2)
  return rows.slice(0, rows.indexOf('')).map((line) => {
    const [, left = '', right = ''] = line.split('|')
    return { ids: codesIn(left), means: codesIn(right) }
  })
}

function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
}

/** Each thing once, with what follows from it. */
function asPairs(heading: string): [string, string][] {
  return rowsOf(heading)
    .flatMap(({ ids, means }) => ids.map((id): [string, string] => [id, means[0]!]))
    .toSorted()
}

const sorted = (table: Readonly<Record<string, string>>) => Object.entries(table).toSorted()

describe('docs/reliability.md says what follows from', () => {
  test('each failure without an answer', () => {
    const expected = Object.entries(actionByKind).filter(([kind]) => kind !== 'stopped')
    assert.deepEqual(asPairs('without an answer'), expected.toSorted())
  })

  test('each problem document', () => {
    assert.deepEqual(asPairs('problem documents of the receiver'), sorted(actionByProblem))
  })

  test('each status', () => {
    const expected = { ...actionByStatus, ...actionByClass }
    assert.deepEqual(asPairs('answers of anybody else, by status'), sorted(expected))
  })

  test('each action that there is', () => {
    const known = new Set(rowsOf('what follows').flatMap(({ ids }) => ids))
    const used = [actionByKind, actionByProblem, actionByStatus, actionByClass].flatMap((table) =>
      Object.values(table),
    )
    assert.deepEqual(known, new Set(used.filter((action) => action !== 'put back')))
  })

  test('each system error while a file is opened or read', () => {
    const listed = new Map(asPairs('while a file is opened or read'))
    const all = new Set([
      ...[...getSystemErrorMap().values()].map(([name]) => name),
      'ESTALE',
      'EUCLEAN',
    ])
    for (const errno of listed.keys()) assert.ok(all.has(errno), errno)
    for (const errno of all) {
      assert.equal(whileReading(errno), listed.get(errno) ?? 'file later', errno)
    }
  })

  test('each code of an error', () => {
    const expected = [...kindByCode].map(([code, kind]): [string, string] => [code, kind])
    const pairs = rowsOf('kind').flatMap(({ ids, means }) =>
      means.map((code): [string, string] => [code, ids[0]!]),
    )
    assert.deepEqual(pairs.toSorted(), expected.toSorted())
  })
})

function whileReading(errno: string): string {
  const result = readFailure(Object.assign(new Error(errno), { code: errno }))
  const { files, failure } = withoutDeviceFaults({ files: [result], failure: undefined })
  if (failure !== undefined) return decideFailure(failure, false).action
  const settlement = settlementOf(files[0]!)
  if (settlement?.action === 'leave') return settlement.why
  assert.equal(settlement?.action, 'retry', errno)
  return 'file later'
}

describe('there is a row for', () => {
  test('each problem code of docs/protocol.md', () => {
    const text = readText('../../docs/protocol.md')
    const codes = [...text.matchAll(/^\| `(\w+)` +\| (\d{3}) +\|/gm)]
    assert.ok(codes.length >= 16, 'the table of problems is there')
    for (const [, code] of codes) assert.ok(code! in actionByProblem, code)
  })

  test('each error of undici', () => {
    const text = readText('../../node_modules/undici/lib/core/errors.js')
    const codes = new Set([...text.matchAll(/'(UND_ERR[A-Z0-9_]*)'/g)].map(([, code]) => code!))
    assert.ok(codes.size >= 25, `${codes.size} codes`)
    assert.deepEqual(
      [...codes].filter((code) => !kindByCode.has(code)),
      [],
    )
  })

  test('each error of a certificate that Node.js documents', () => {
    const kinds: Readonly<Record<string, TransferFailureKind>> = {
      UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'not_trusted',
      SELF_SIGNED_CERT_IN_CHAIN: 'not_trusted',
      CERT_REVOKED: 'not_trusted',
      CERT_NOT_YET_VALID: 'certificate_not_yet_valid',
      CERT_HAS_EXPIRED: 'certificate_expired',
      HOSTNAME_MISMATCH: 'certificate_wrong_name',
    }
    for (const [code, kind] of Object.entries(kinds)) assert.equal(kindByCode.get(code), kind)
  })
})

describe('an error of HTTP/2', () => {
  const wrapped = (http2ErrorCode: number) =>
    Object.assign(new Error('Stream closed'), { code: 'UND_ERR_INFO', http2ErrorCode })

  test('that says this is no HTTP/2 is no link that broke', () => {
    assert.equal(failureOf(wrapped(12)).kind, 'incompatible')
    assert.equal(failureOf(wrapped(13)).kind, 'incompatible')
  })

  test('of any other code broke the connection, the local ENHANCE_YOUR_CALM included', () => {
    for (const code of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 99]) {
      assert.equal(failureOf(wrapped(code)).kind, 'connection_lost', String(code))
    }
  })

  test('is known by what undici wrapped in an error of its own', () => {
    const cause = Object.assign(new Error('no more'), { code: 'EMFILE' })
    const error = Object.assign(new Error('closed', { cause }), { code: 'UND_ERR_INFO' })
    assert.equal(failureOf(error).kind, 'device_busy')
  })
})

test('a refusal with a status that nobody has thought of is decided all the same', () => {
  assert.equal(decideFailure(refused(599), false).action, 'hold all')
  assert.equal(decideFailure(refused(499), false).action, 'file later')
})
