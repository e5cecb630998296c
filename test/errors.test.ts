import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { errorCodes, LongshoreError } from '../src/base/errors.ts'

test('docs/errors.md has every code with the exit status it leads to, and no other', () => {
  const text = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)`\s*\| (\d)\s*\|/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ])
  const expected = errorCodes.map((code) => [code, new LongshoreError(code, '').exitCode])
  assert.deepEqual(rows.toSorted(), expected.toSorted())
})
