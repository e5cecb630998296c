import assert from 'node:assert/strict'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { torture } from './torture.ts'

/** A taste of `npm run torture`, which goes on for as long as it is told to. */
test('nothing is lost, doubled or mixed up while both ends and the link fail again and again', async (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'longshore-test-torture-')))
  const told: string[] = []
  const tell = (what: string) => told.push(what)
  const { violations, counts } = await torture({ seconds: 30, seed: 2026, folder, tell })
  // What both ends logged is kept for whoever has to find out.
  assert.deepEqual(violations, [], `see ${folder}: ${told.join(', ')}`)
  t.diagnostic(JSON.stringify(counts))
  assert.ok(counts['versions stored']! > 50)
  rmSync(folder, { recursive: true })
})
