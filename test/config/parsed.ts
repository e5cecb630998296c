import assert from 'node:assert/strict'
import type { Config, ConfigNote } from '../../src/config/config.ts'
import { showProblem } from '../../src/config/findings.ts'
import { parseConfig } from '../../src/config/parse-config.ts'
import { type FakeContextOptions, fakeContext } from './fake-context.ts'

/** The config and its notes as lines; fails when there are problems. */
export function accepted(json: unknown, options?: FakeContextOptions) {
  const parsed = parseConfig(json, fakeContext(options))
  if ('problems' in parsed) assert.fail(parsed.problems.map(showProblem).join('\n'))
  return parsed as { config: Config; notes: readonly ConfigNote[] }
}

/** The problems as lines; fails when there are none. */
export function refused(json: unknown, options?: FakeContextOptions): string[] {
  const parsed = parseConfig(json, fakeContext(options))
  assert.ok('problems' in parsed, 'the config was accepted')
  return parsed.problems.map(showProblem)
}

/** Asserts that there is exactly one problem, and that its line matches. */
export function refusedFor(json: unknown, line: RegExp, options?: FakeContextOptions): void {
  const lines = refused(json, options)
  assert.equal(lines.length, 1, lines.join('\n'))
  assert.match(lines[0]!, line)
}
