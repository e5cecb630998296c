import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * `npm test [-- NAME...]`: all tests, or those whose path holds one of the names. A runner of its own
 * because Node's own pattern for test files would also take helpers for tests.
 */
const top = fileURLToPath(new URL('..', import.meta.url))
const names = process.argv.slice(2)
const files = readdirSync(join(top, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join('test', name))
  .filter((path) => names.length === 0 || names.some((name) => path.includes(name)))
  .sort()
if (files.length === 0) {
  console.error(`no test has ${names.join(' or ')} in its path`)
  process.exit(1)
}
const result = spawnSync(
  process.execPath,
  [
    '--expose-gc',
    '--test',
    '--test-concurrency=2',
    '--test-timeout=90000',
    '--test-reporter=spec',
    ...files,
  ],
  {
    cwd: top,
    stdio: 'inherit',
  },
)
process.exit(result.status ?? 1)
