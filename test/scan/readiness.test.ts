import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { defaultExclude, excludeMatcher } from '../../src/scan/exclude.ts'
import {
  asArbitrary,
  type FileFacts,
  type Readiness,
  type ReadinessRules,
  readinessOf,
} from '../../src/scan/readiness.ts'

const wallMs = 1_800_000_000_000
const quietMs = 10_000
const hourMs = 3_600_000
const rules: ReadinessRules = {
  quietMs,
  wallMs,
  bootMs: wallMs - 30 * 60_000,
  step: undefined,
  isExcluded: excludeMatcher(defaultExclude),
}
/** A finished log file of an hour ago. */
const file: FileFacts = {
  name: 'a.log',
  sizeBytes: 10,
  mtimeMs: wallMs - hourMs,
  links: 1,
  belowCaptureDir: true,
  seenUnchangedForMs: undefined,
}

const capture: Readiness = { verdict: 'capture' }
const arbitrary: Readiness = { verdict: 'arbitrary' }
const notQuiet = (waitMs: number): Readiness => {
  return { verdict: 'wait', reason: 'not_quiet_yet', waitMs }
}
const inProgress: Readiness = { verdict: 'wait', reason: 'in_progress_file', waitMs: quietMs }
const skip = (reason: 'excluded' | 'several_links' | 'empty'): Readiness => {
  return { verdict: 'skip', reason }
}

interface Row {
  readonly when: string
  readonly facts: Partial<FileFacts>
  readonly rules?: Partial<ReadinessRules>
  readonly is: Readiness
}

const table: readonly Row[] = [
  { when: 'an arbitrary file of an hour ago', facts: {}, is: arbitrary },
  {
    when: 'an arbitrary file that has been quiet for exactly the quiet time',
    facts: { mtimeMs: wallMs - quietMs },
    is: arbitrary,
  },
  {
    when: 'an arbitrary file that lacks a millisecond of it',
    facts: { mtimeMs: wallMs - quietMs + 1 },
    is: notQuiet(1),
  },
  {
    when: 'an arbitrary file that was changed now',
    facts: { mtimeMs: wallMs },
    is: notQuiet(quietMs),
  },
  { when: 'an arbitrary file from before 1970', facts: { mtimeMs: -5 }, is: arbitrary },
  {
    when: 'a .capture file, at once',
    facts: { name: 'a.capture', mtimeMs: wallMs },
    is: capture,
  },
  {
    when: 'a .capture file from the future, at once',
    facts: { name: 'a.capture', mtimeMs: wallMs + hourMs },
    is: capture,
  },
  {
    when: 'a .capture file outside capture_dir, like any other',
    facts: { name: 'a.capture', mtimeMs: wallMs, belowCaptureDir: false },
    is: notQuiet(quietMs),
  },
  {
    when: 'a quiet .capture file outside capture_dir',
    facts: { name: 'a.capture', belowCaptureDir: false },
    is: arbitrary,
  },
  {
    when: 'a file that only contains .capture in its name',
    facts: { name: 'a.capture.gz', mtimeMs: wallMs },
    is: notQuiet(quietMs),
  },
  { when: 'a .prog of now', facts: { name: 'a.prog', mtimeMs: wallMs }, is: inProgress },
  {
    when: 'a .prog of this boot that is not an hour old',
    facts: { name: 'a.prog', mtimeMs: wallMs - 29 * 60_000 },
    is: inProgress,
  },
  {
    when: 'a .prog of before this boot',
    facts: { name: 'a.prog', mtimeMs: wallMs - 31 * 60_000 },
    is: capture,
  },
  {
    when: 'a .prog of exactly an hour ago',
    facts: { name: 'a.prog' },
    rules: { bootMs: 0 },
    is: inProgress,
  },
  {
    when: 'a .prog of more than an hour ago',
    facts: { name: 'a.prog', mtimeMs: wallMs - hourMs - 1 },
    rules: { bootMs: 0 },
    is: capture,
  },
  {
    when: 'a .prog from the future',
    facts: { name: 'a.prog', mtimeMs: wallMs + hourMs, seenUnchangedForMs: 10 * hourMs },
    is: inProgress,
  },
  {
    when: 'an orphaned .prog outside capture_dir, when it is quiet',
    facts: { name: 'a.prog', mtimeMs: wallMs - 2 * hourMs, belowCaptureDir: false },
    is: arbitrary,
  },
  {
    when: 'a .prog outside capture_dir that is not orphaned',
    facts: { name: 'a.prog', mtimeMs: wallMs - 60_000, belowCaptureDir: false },
    is: inProgress,
  },
  {
    when: 'a .progseq, however old',
    facts: { name: 'a.progseq', mtimeMs: 0 },
    is: inProgress,
  },
  { when: 'a .seq', facts: { name: 'a.seq' }, is: arbitrary },
  { when: 'an empty file', facts: { sizeBytes: 0 }, is: skip('empty') },
  {
    when: 'an empty .capture file',
    facts: { name: 'a.capture', sizeBytes: 0 },
    is: skip('empty'),
  },
  { when: 'a file with two names', facts: { links: 2 }, is: skip('several_links') },
  {
    when: 'a .capture file with two names',
    facts: { name: 'a.capture', links: 2 },
    is: skip('several_links'),
  },
  { when: 'an excluded name', facts: { name: 'a.tmp' }, is: skip('excluded') },
  {
    when: 'a file from the future that was never seen before',
    facts: { mtimeMs: wallMs + 1 },
    is: notQuiet(quietMs),
  },
  {
    when: 'a file from the future that we saw unchanged for a part of the quiet time',
    facts: { mtimeMs: wallMs + hourMs, seenUnchangedForMs: 4_000 },
    is: notQuiet(6_000),
  },
  {
    when: 'a file from the future that we saw unchanged for the quiet time',
    facts: { mtimeMs: wallMs + hourMs, seenUnchangedForMs: quietMs },
    is: arbitrary,
  },
  {
    when: 'a file from before a step of the clock that looks old for it only',
    facts: { mtimeMs: wallMs - hourMs - 2_000 },
    rules: { step: { beforeMs: wallMs - hourMs, byMs: hourMs } },
    is: notQuiet(8_000),
  },
  {
    when: 'a file that had been quiet before the clock was set forward',
    facts: { mtimeMs: wallMs - hourMs - quietMs },
    rules: { step: { beforeMs: wallMs - hourMs, byMs: hourMs } },
    is: arbitrary,
  },
  {
    when: 'a file from after the step',
    facts: { mtimeMs: wallMs - quietMs },
    rules: { step: { beforeMs: wallMs - hourMs, byMs: hourMs } },
    is: arbitrary,
  },
]

describe('readiness', () => {
  for (const { when, facts, rules: others, is } of table) {
    const verdict = is.verdict === 'wait' || is.verdict === 'skip' ? is.reason : is.verdict
    test(`of ${when}: ${verdict}`, () => {
      assert.deepEqual(readinessOf({ ...file, ...facts }, { ...rules, ...others }), is)
    })
  }

  test('of a .capture file without a header is that of an arbitrary file', () => {
    const young = { ...file, name: 'a.capture', mtimeMs: wallMs - 3_000 }
    assert.deepEqual(asArbitrary(young, rules), notQuiet(7_000))
    assert.deepEqual(asArbitrary({ ...file, name: 'a.capture' }, rules), arbitrary)
  })

  test('never has a file wait for longer than the quiet time', () => {
    const step = { beforeMs: wallMs, byMs: 1e12 }
    const judged = asArbitrary(file, { ...rules, step })
    assert.deepEqual(judged, notQuiet(quietMs))
  })
})
