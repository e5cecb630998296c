import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { captureFile } from '../support/capture-file.ts'
import {
  editConfig,
  longshoreCommand,
  longshoreRun,
  longshoreStart,
  type ReceiverProcess,
  startReceiverProcess,
  writeMachineConfig,
} from '../support/longshore-process.ts'

let top: string
let receiver: ReceiverProcess
let number = 0
let machine: string
let home: string
let config: string

before(async () => {
  top = mkdtempSync(join(tmpdir(), 'longshore-test-sync-'))
  receiver = await startReceiverProcess(join(top, 'receiver'))
})

after(async () => {
  await receiver.end()
  rmSync(top, { recursive: true, force: true })
})

beforeEach(async () => {
  number += 1
  machine = `robot-${number}`
  home = join(top, machine)
  mkdirSync(join(home, 'capture'), { recursive: true })
  config = join(top, `${machine}.json`)
  await writeMachineConfig(config, receiver, machine, { capture_dir: join(home, 'capture') })
})

/** A file that has been quiet for long enough. */
function write(name: string | Buffer, bytes: Buffer | string = randomBytes(100)): void {
  const below = Buffer.from(`${home}/capture/`)
  const path = Buffer.concat([below, typeof name === 'string' ? Buffer.from(name) : name])
  mkdirSync(dirname(path.toString('latin1')), { recursive: true })
  writeFileSync(path, bytes)
  const quietSince = Date.now() / 1000 - 60
  utimesSync(path, quietSince, quietSince)
}

function sync(...args: string[]) {
  return longshoreRun(['sync', '--config', config, ...args])
}

async function listed(): Promise<Record<string, unknown>[]> {
  const where = ['--data', receiver.dataDir, '--machine', machine]
  const lines = await longshoreCommand('receiver', 'ls', ...where, '--json')
  return lines
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

function left(): string[] {
  return readdirSync(join(home, 'capture'), { recursive: true, encoding: 'utf8' }).sort()
}

describe('longshore sync', () => {
  test('uploads small, large and capture files, removes them, and says so in JSON', async () => {
    write('a.bin')
    write('deep/er/b.log', 'a line\n')
    write('large.mp4', randomBytes(3_000_000))
    const header = { componentType: 'c', componentName: 'n', methodName: 'm', type: 2 }
    writeFileSync(
      join(home, 'capture', 'now.capture'),
      captureFile(header, [{ readings: { a: 1 } }]),
    )
    const { status, stdout, stderr } = await sync('--json')
    assert.equal(status, 0, stderr)
    const result = JSON.parse(stdout)
    assert.deepEqual(Object.keys(result), [
      'stored',
      'already_stored',
      'rejected',
      'quarantined',
      'retry',
      'skipped',
      'bytes',
      'seconds',
    ])
    assert.equal(result.stored, 4)
    assert.deepEqual(left(), ['deep', 'deep/er'])
    const capture = (await listed()).find(({ path }) => String(path).endsWith('now.capture'))
    assert.equal(capture?.method_name, 'm')
  })

  test('brings names of any bytes back as they were', async () => {
    const names = [
      Buffer.from([0x62, 0x61, 0x64, 0xff, 0xfe]),
      Buffer.from('new\nline'),
      Buffer.from('"quotes" and \\ and \''),
      Buffer.from('emoji 🤖'),
      Buffer.from('n'.repeat(255)),
      Buffer.from('-rf'),
    ]
    for (const name of names) write(name, name)
    assert.equal((await sync()).status, 0)
    const out = join(top, `${machine}-out`)
    await longshoreCommand('receiver', 'export', '--data', receiver.dataDir, '--to', out)
    for (const name of names) {
      const path = Buffer.concat([Buffer.from(`${out}/${machine}${home}/capture/`), name])
      assert.ok(readFileSync(path).equals(name), String(name))
    }
  })

  test('leaves what is not ready, and counts it', async () => {
    write('quiet')
    writeFileSync(join(home, 'capture', 'just-written'), 'x')
    write('empty', '')
    write('x.tmp')
    const { status, stdout } = await sync('--json')
    assert.equal(status, 0)
    assert.equal(JSON.parse(stdout).skipped, 3)
    assert.deepEqual(left(), ['empty', 'just-written', 'x.tmp'])
  })

  test('refuses --json for a dry run, which has none', async () => {
    const { status, stderr } = await sync('--dry-run', '--json')
    assert.equal(status, 2)
    assert.match(stderr, /leave one of them out/)
  })

  test('says with --dry-run what would be uploaded and then removed, and does nothing', async () => {
    for (let n = 0; n < 7; n += 1) write(`f${n}`, randomBytes(100 + n))
    const { status, stdout } = await sync('--dry-run')
    assert.equal(status, 0)
    assert.match(stdout, /7 files, 721 B will be uploaded and then removed/)
    assert.match(stdout, /oldest:/)
    assert.equal(left().length, 7)
    assert.deepEqual(await listed(), [])
  })

  test('invariant 3: a file that comes back is already stored, once', async () => {
    write('same', 'same bytes')
    await sync()
    write('same', 'same bytes')
    const at = new Date('2026-01-01T00:00:00Z')
    utimesSync(join(home, 'capture', 'same'), at, at)
    await sync()
    writeFileSync(join(home, 'capture', 'same'), 'same bytes')
    utimesSync(join(home, 'capture', 'same'), at, at)
    const { status, stdout } = await sync('--json')
    assert.equal(status, 0)
    assert.equal(JSON.parse(stdout).already_stored, 1)
    assert.equal((await listed()).length, 2, 'one for each mtime')
    assert.deepEqual(left(), [])
  })

  test('refuses while paused, names --force, and obeys it', async () => {
    write('waiting')
    await editConfig(config, (json) => {
      json.services[0].attributes.sync_disabled = true
    })
    const refused = await sync()
    assert.equal(refused.status, 2)
    assert.match(refused.stderr, /sync_disabled/)
    assert.match(refused.stderr, /--force/)
    assert.deepEqual(left(), ['waiting'])
    assert.equal((await sync('--force')).status, 0)
    assert.deepEqual(left(), [])
  })

  test('holds back while a trigger is named that this version cannot ask', async () => {
    write('on-mobile-data')
    await editConfig(config, (json) => {
      json.services[0].attributes.selective_syncer_name = 'on-wifi'
    })
    const { status, stderr } = await sync()
    assert.equal(status, 2)
    assert.match(stderr, /on-wifi/)
    assert.deepEqual(left(), ['on-mobile-data'])
  })

  test('ends with 5 and a clear word when the receiver is not there; the files stay', async () => {
    write('stays')
    await editConfig(config, (json) => {
      json.cloud.app_address = 'https://localhost:1'
    })
    const { status, stdout, stderr } = await sync('--json')
    assert.equal(status, 5)
    assert.match(stderr, /receiver_unreachable/)
    assert.equal(JSON.parse(stdout).retry, 1)
    assert.deepEqual(left(), ['stays'])
  })

  test('ends with 5 for a wrong secret and for a wrong CA, and says which', async () => {
    write('stays')
    await editConfig(config, (json) => {
      json.cloud.secret = 'wrong'
    })
    const wrongSecret = await sync()
    assert.equal(wrongSecret.status, 5)
    assert.match(wrongSecret.stderr, /credentials_rejected/)
    assert.match(
      receiver.stderr(),
      /"event":"credentials_rejected".*robot-/,
      'logged there, with its name',
    )
    const other = await longshoreCommand(
      'receiver',
      'machine',
      'add',
      'x',
      '--data',
      join(top, `other-${number}`),
      '--address',
      'https://localhost:1',
    )
    await editConfig(config, (json) => {
      json.cloud.ca_pem = JSON.parse(other).cloud.ca_pem
    })
    const wrongCa = await sync()
    assert.equal(wrongCa.status, 5)
    assert.match(wrongCa.stderr, /receiver_not_trusted/)
    assert.deepEqual(left(), ['stays'])
  })

  test('ends with 4 while a daemon works on the root', async () => {
    const daemon = longshoreStart(['run', '--config', config])
    await daemon.printed(/"event":"started"/)
    const { status, stderr } = await sync()
    assert.equal(await daemon.end(), 0)
    assert.equal(status, 4)
    assert.match(stderr, new RegExp(String(daemon.pid)))
  })

  test('refuses an unsafe root before anything is touched', async () => {
    await editConfig(config, (json) => {
      json.services[0].attributes.additional_sync_paths = ['/etc']
    })
    const { status, stderr } = await sync()
    assert.equal(status, 2)
    assert.match(stderr, /additional_sync_paths\[0\]/)
    assert.ok(existsSync('/etc/passwd'))
  })

  test('ends with 5 when the disk of the receiver is full, and the files stay', async () => {
    const full = await startReceiverProcess(join(top, `full-${number}`), ['--min-free', '99.9'])
    write('stays')
    await writeMachineConfig(config, full, machine, { capture_dir: join(home, 'capture') })
    const { status, stderr } = await sync()
    await full.end()
    assert.equal(status, 5)
    assert.match(stderr, /receiver_full/)
    assert.deepEqual(left(), ['stays'])
  })

  test('invariant 5: writes nothing to the disk of the device', async () => {
    for (let n = 0; n < 50; n += 1) write(`f${n}`, randomBytes(4096))
    const before = readdirSync(top, { recursive: true }).length
    assert.equal((await sync()).status, 0)
    const made = readdirSync(top, { recursive: true, encoding: 'utf8' }).filter((name) => {
      return !name.startsWith('receiver/')
    })
    assert.ok(made.length < before, 'files went, none came')
  })
})
