import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type ErrorCode, LongshoreError } from '../../../src/base/errors.ts'

/** An empty folder that is removed after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-identity-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** What `assert.rejects` and `assert.throws` take: this code, a hint, and all these texts. */
export function coded(code: ErrorCode, ...texts: readonly RegExp[]): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof LongshoreError, `not a LongshoreError: ${error}`)
    assert.equal(error.code, code)
    assert.ok(error.hint, 'says what to do next')
    for (const text of texts) assert.match(error.message, text)
    return true
  }
}

/** Another process that runs `code` as a module; `import.meta.url` is this folder's. */
export function startProcess(t: TestContext, code: string): ChildProcess {
  const child = spawn(
    process.execPath,
    ['--no-warnings', '--import', `data:text/javascript,${encodeURIComponent(code)}`, '-e', ''],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.after(() => child.kill('SIGKILL'))
  return child
}

/** The URL of a module of the receiver's identity, for code that runs in another process. */
export function moduleUrl(name: string): string {
  return new URL(`../../../src/receiver/identity/${name}`, import.meta.url).href
}

/** All that the process writes until it ends by itself, without failing. */
export async function outputOf(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout?.on('data', (chunk) => {
    output += chunk
  })
  const [exitCode] = await once(child, 'close')
  assert.equal(exitCode, 0)
  return output
}
