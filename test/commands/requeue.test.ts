import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { lockRoot } from '../../src/probe/root-lock.ts'
import { requeueNamespace } from '../../src/sync/requeue/lock-roots.ts'
import {
  longshoreRun,
  longshoreStart,
  startReceiverProcess,
  writeMachineConfig,
} from '../support/longshore-process.ts'

let top: string
let config: string
beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'longshore-test-requeue-')))
  config = join(top, 'config.json')
  const attributes = { capture_dir: join(top, 'capture'), sync_disabled: true }
  const json = {
    cloud: { app_address: 'https://localhost:1', id: 'robot', secret: 's' },
    services: [{ name: 'd', type: 'data_manager', attributes }],
  }
  mkdirSync(join(top, 'capture'))
  writeFileSync(config, JSON.stringify(json), { mode: 0o600 })
})
afterEach(() => rmSync(top, { recursive: true, force: true }))

function file(name: string, content = 'content'): void {
  const path = join(top, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  const quietSince = Date.now() / 1000 - 60
  utimesSync(path, quietSince, quietSince)
}
const requeue = (...args: string[]) => longshoreRun(['requeue', '--config', config, ...args])

describe('longshore requeue', () => {
  test('brings back all that was set aside, says each, and sums up; also while paused', async () => {
    file('capture/failed/cam/a.capture')
    file('capture/failed/b\nb', 'old')
    file('capture/b\nb', 'new')
    const { status, stdout, stderr } = await requeue()
    assert.equal(status, 0, stderr)
    const capture = join(top, 'capture')
    assert.deepEqual(stdout.split('\n').sort(), [
      '',
      '2 files brought back',
      `moved ${capture}/failed/b\\x0ab -> ${capture}/b\\x0ab~1 (b\\x0ab exists)`,
      `moved ${capture}/failed/cam/a.capture -> ${capture}/cam/a.capture`,
    ])
    assert.equal(readFileSync(join(top, 'capture/b\nb'), 'utf8'), 'new')
    assert.equal(readFileSync(join(top, 'capture/b\nb~1'), 'utf8'), 'old')
  })

  test('only says it with --dry-run', async () => {
    file('capture/failed/a')
    const { status, stdout } = await requeue('--dry-run')
    assert.equal(status, 0)
    const capture = join(top, 'capture')
    const expected = `would move ${capture}/failed/a -> ${capture}/a\n1 file would be brought back\n`
    assert.equal(stdout, expected)
    assert.deepEqual(readdirSync(capture), ['failed'])
  })

  test('takes paths relative to the working directory', async () => {
    file('capture/x/failed/a')
    file('capture/x/failed/b')
    const cwd = join(top, 'capture/x')
    const { status } = await longshoreRun(['requeue', '--config', config, 'failed/a'], { cwd })
    assert.equal(status, 0)
    assert.deepEqual(readdirSync(cwd).sort(), ['a', 'failed'])
    assert.deepEqual(readdirSync(join(cwd, 'failed')), ['b'])
  })

  test('ends with 2 for a path under which nothing was set aside, and brings back the others', async () => {
    file('capture/failed/a')
    file('outside/failed/b')
    const paths = ['outside/failed/b', 'capture/failed/a'].map((name) => join(top, name))
    const { status, stderr } = await requeue(...paths)
    assert.equal(status, 2)
    assert.match(stderr, /outside\/failed\/b lies below none of the roots/)
    assert.match(stderr, /\[not_set_aside\]/)
    assert.ok(existsSync(join(top, 'capture/a')))
    assert.ok(existsSync(join(top, 'outside/failed/b')))
  })

  test('ends with 5 when a file stays that should not, and brings back the others', async () => {
    file('capture/failed/cam/a.capture')
    file('capture/failed/b.capture')
    file('capture/cam', 'a file where a folder was')
    const { status, stdout, stderr } = await requeue()
    assert.equal(status, 5)
    assert.match(stderr, /cam\/a\.capture stays: a file has the name of a folder/)
    assert.match(stderr, /1 path could not be brought back \[not_requeued\]/)
    assert.match(stdout, /1 file brought back; 1 failed\n$/)
    assert.ok(existsSync(join(top, 'capture/failed/cam/a.capture')))
  })

  test('ends with 4 while another one is running, and with 2 for an empty path', async () => {
    file('capture/failed/a')
    const lock = await lockRoot(bytePath(join(top, 'capture')), { namespace: requeueNamespace })
    const { status, stderr } = await requeue()
    await lock.release()
    assert.equal(status, 4, stderr)
    assert.equal((await requeue('')).status, 2)
    assert.ok(existsSync(join(top, 'capture/failed/a')))
  })

  test('needs no stopped daemon: that takes the file up in its next scan', async () => {
    const receiver = await startReceiverProcess(join(top, 'receiver'))
    const attributes = { capture_dir: join(top, 'capture'), sync_interval_mins: 0.001 }
    await writeMachineConfig(config, receiver, 'robot', attributes)
    const daemon = longshoreStart(['run', '--config', config])
    try {
      await daemon.printed(/"event":"root_ready"/)
      file('capture/logs/failed/boot.log')
      const { status, stderr } = await requeue(join(top, 'capture/logs/boot.log'))
      assert.equal(status, 0, stderr)
      for (let n = 0; n < 400 && existsSync(join(top, 'capture/logs/boot.log')); n += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    } finally {
      await daemon.end()
      await receiver.end()
    }
    assert.match(daemon.stdout(), /sent 1 file/)
  })
})
