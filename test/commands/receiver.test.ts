import assert from 'node:assert/strict'
import { randomBytes, X509Certificate } from 'node:crypto'
import {
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
import { after, before, describe, test } from 'node:test'
import {
  editConfig,
  longshoreCommand,
  longshoreRun,
  longshoreStart,
  startReceiverProcess,
  writeMachineConfig,
} from '../support/longshore-process.ts'
import { makeTestCertificate } from '../support/test-certificate.ts'

let top: string
let number = 0

before(() => {
  top = mkdtempSync(join(tmpdir(), 'longshore-test-receiver-'))
})

after(() => rmSync(top, { recursive: true, force: true }))

function fresh(name: string): string {
  number += 1
  return join(top, `${name}-${number}`)
}

/** A device with one file that is ready. */
async function deviceOf(receiver: { dataDir: string; address: string }, machine = 'robot') {
  const capture = fresh('capture')
  mkdirSync(capture)
  writeFileSync(join(capture, 'f'), randomBytes(10))
  utimesSync(join(capture, 'f'), 1000, 1000)
  const config = `${capture}.json`
  await writeMachineConfig(config, receiver, machine, { capture_dir: capture })
  return { capture, config, sync: () => longshoreRun(['sync', '--config', config]) }
}

describe('longshore receiver start', () => {
  test('drains and ends with 0 at SIGTERM', async () => {
    const receiver = await startReceiverProcess(fresh('data'))
    assert.equal(await receiver.end('SIGTERM'), 0)
    assert.match(receiver.stdout(), /^listening on https:\/\/127\.0\.0\.1:\d+\n$/)
  })

  test('a second one on the same data folder ends with 4', async () => {
    const receiver = await startReceiverProcess(fresh('data'))
    const args = ['receiver', 'start', '--data', receiver.dataDir, '--listen', '127.0.0.1:0']
    const second = await longshoreRun(args)
    assert.equal(second.status, 4)
    assert.match(second.stderr, /data_folder_in_use/)
    await receiver.end()
  })

  test('a port that is taken ends it with 4', async () => {
    const receiver = await startReceiverProcess(fresh('data'))
    const listen = `127.0.0.1:${new URL(receiver.address).port}`
    const args = ['receiver', 'start', '--data', fresh('data'), '--listen', listen]
    const second = await longshoreRun(args)
    assert.equal(second.status, 4)
    assert.match(second.stderr, /port_in_use/)
    await receiver.end()
  })

  test('a data folder of a newer version ends it with 3, and stays as it is', async () => {
    const data = fresh('data')
    mkdirSync(data)
    const marker = join(data, 'longshore-receiver.json')
    const text = JSON.stringify({ format: 99, store: 'folder', created_at: '2030-01-01T00:00:00Z' })
    writeFileSync(marker, text)
    const { status, stderr } = await longshoreRun(['receiver', 'start', '--data', data])
    assert.equal(status, 3)
    assert.match(stderr, /data_folder_newer/)
    assert.deepEqual(readdirSync(data), ['longshore-receiver.json'])
    assert.equal(readFileSync(marker, 'utf8'), text)
  })

  test('wrong options end it with 2 and say what is wrong', async () => {
    const data = fresh('data')
    const cases = [
      [['--listen', 'nonsense'], /--listen/],
      [['--listen', '127.0.0.1:99999'], /--listen/],
      [['--insecure', '--listen', '0.0.0.0:0'], /loopback/],
      [['--tls-cert', '/nowhere.pem'], /--tls-key/],
      [['--tls-cert', '/nowhere.pem', '--tls-key', '/nowhere.pem'], /nowhere/],
      [['--store', 'cloud'], /--store/],
      [['--min-free', '-3'], /min-free/],
      [['--min-free', '150'], /min-free/],
      [['--name', 'not a name'], /--name|not a name/],
      [['--unknown'], /unknown/],
      [['extra'], /extra/],
    ] as const
    const run = (args: readonly string[]) =>
      longshoreRun(['receiver', 'start', '--data', data, ...args])
    const results = await Promise.all(cases.map(([args]) => run(args)))
    for (const [index, [args, pattern]] of cases.entries()) {
      const { status, stderr } = results[index]!
      assert.equal(status, 2, `${args.join(' ')}: ${stderr}`)
      assert.match(stderr, pattern)
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack')
    }
  })

  test('--insecure takes uploads in cleartext on loopback', async () => {
    const receiver = await startReceiverProcess(fresh('data'), ['--insecure'])
    assert.match(receiver.address, /^http:/)
    const device = await deviceOf(receiver)
    const { status, stderr } = await device.sync()
    await receiver.end()
    assert.equal(status, 0, stderr)
  })

  test('--tls-cert and --tls-key serve a certificate of the user', async () => {
    const { caPem, cert, key } = await makeTestCertificate({ names: ['localhost'] })
    const [certFile, keyFile, caFile] = [fresh('cert'), fresh('key'), fresh('ca')]
    writeFileSync(certFile, cert)
    writeFileSync(keyFile, key)
    writeFileSync(caFile, caPem)
    const tls = ['--tls-cert', certFile, '--tls-key', keyFile]
    const receiver = await startReceiverProcess(fresh('data'), tls)
    const device = await deviceOf(receiver)
    const untrusted = await device.sync()
    await editConfig(device.config, (json) => {
      delete json.cloud.ca_pem
      json.cloud.ca_file = caFile
    })
    const trusted = await device.sync()
    const add = ['receiver', 'machine', 'add', 'two', '--data', receiver.dataDir]
    const made = await longshoreCommand(...add, '--address', receiver.address, '--ca', caFile)
    await receiver.end()
    assert.match(untrusted.stderr, /receiver_not_trusted/)
    assert.equal(trusted.status, 0, trusted.stderr)
    assert.equal(JSON.parse(made).cloud.ca_pem.trim(), caPem.trim())
  })

  test('--store null serves machines made for it only, and check says what it does', async () => {
    const data = fresh('null')
    const receiver = await startReceiverProcess(data, ['--store', 'null'])
    const device = await deviceOf(receiver)
    const check = await longshoreRun(['check', '--config', device.config])
    assert.equal(check.status, 3)
    assert.match(check.stdout, /THROWS AWAY/)
    assert.equal((await device.sync()).status, 0)
    await receiver.end()
    const asDurable = await longshoreRun(['receiver', 'start', '--data', data])
    assert.equal(asDurable.status, 3)
    const durable = await startReceiverProcess(fresh('data'))
    await durable.end()
    const asNull = ['receiver', 'start', '--data', durable.dataDir, '--store', 'null']
    assert.equal((await longshoreRun(asNull)).status, 3)
  })

  test('keeps its CA over restarts: a config made once goes on working', async () => {
    const first = await startReceiverProcess(fresh('data'))
    const device = await deviceOf(first)
    await first.end()
    rmSync(join(first.dataDir, 'tls', 'server.pem'))
    const { port } = new URL(first.address)
    const again = await startReceiverProcess(first.dataDir, ['--listen', `127.0.0.1:${port}`])
    const { status, stderr } = await device.sync()
    await again.end()
    assert.equal(status, 0, stderr)
  })
})

describe('longshore receiver machine', () => {
  test('add prints a config that works as it is; remove and add take effect at once', async () => {
    const receiver = await startReceiverProcess(fresh('data'))
    const device = await deviceOf(receiver, 'robot')
    const config = JSON.parse(readFileSync(device.config, 'utf8'))
    assert.ok(new X509Certificate(config.cloud.ca_pem).ca)
    assert.equal(Buffer.from(config.cloud.secret, 'base64url').length, 32)
    assert.equal((await device.sync()).status, 0)
    const data = ['--data', receiver.dataDir]
    assert.match(await longshoreCommand('receiver', 'machine', 'list', ...data), /^robot\t/)
    const removed = await longshoreCommand('receiver', 'machine', 'remove', 'robot', ...data)
    assert.match(removed, /kept/)
    writeFileSync(join(device.capture, 'g'), 'g')
    utimesSync(join(device.capture, 'g'), 1000, 1000)
    const refused = await device.sync()
    assert.equal(refused.status, 5)
    assert.match(refused.stderr, /credentials_rejected/)
    assert.match(await longshoreCommand('receiver', 'ls', ...data), /robot/, 'its data is there')
    await receiver.end()
  })

  test('secrets are not to be found in the data folder', async () => {
    const data = fresh('data')
    const add = [
      'receiver',
      'machine',
      'add',
      'r',
      '--data',
      data,
      '--address',
      'https://localhost:1',
    ]
    const { secret } = JSON.parse(await longshoreCommand(...add)).cloud
    const files = readdirSync(data, { recursive: true, withFileTypes: true })
    for (const file of files.filter((entry) => entry.isFile())) {
      assert.ok(!readFileSync(join(file.parentPath, file.name)).includes(secret), file.name)
    }
  })

  test('bad ids, addresses and folders end with clear errors', async () => {
    const data = fresh('data')
    await longshoreCommand(
      'receiver',
      'machine',
      'add',
      'r',
      '--data',
      data,
      '--address',
      'https://h:1',
    )
    const cases = [
      [['add', '../x', '--address', 'https://h:1'], 'machine_id_invalid'],
      [['add', 'r', '--address', 'https://h:1'], 'machine_exists'],
      [['add', 'x', '--address', 'ftp://h'], 'address_invalid'],
      [['add', 'x', '--address', 'http://example.org'], 'address_invalid'],
      [['add', 'x'], 'usage'],
      [['add', '--address', 'https://h:1'], 'usage'],
      [['remove', 'unknown'], 'machine_unknown'],
    ] as const
    const run = (args: readonly string[]) => {
      return longshoreRun(['receiver', 'machine', ...args, '--data', data])
    }
    const results = await Promise.all(cases.map(([args]) => run(args)))
    for (const [index, [args, code]] of cases.entries()) {
      const { status, stderr } = results[index]!
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, new RegExp(`\\[${code}\\]`), args.join(' '))
    }
    const nowhere = await longshoreRun(['receiver', 'machine', 'list', '--data', fresh('nothing')])
    assert.equal(nowhere.status, 3)
  })
})

describe('longshore receiver ls and export', () => {
  test('work while the receiver runs, for one machine or all', async () => {
    const receiver = await startReceiverProcess(fresh('data'))
    const one = await deviceOf(receiver, 'one')
    const two = await deviceOf(receiver, 'two')
    await one.sync()
    await two.sync()
    const data = ['--data', receiver.dataDir]
    const all = (await longshoreCommand('receiver', 'ls', ...data, '--json')).trim().split('\n')
    assert.deepEqual(
      all.map((line) => JSON.parse(line).machine),
      ['one', 'two'],
    )
    const onlyTwo = await longshoreCommand('receiver', 'ls', ...data, '--machine', 'two')
    assert.equal(onlyTwo.trim().split('\n').length, 1)
    const out = fresh('out')
    await longshoreCommand('receiver', 'export', ...data, '--to', out, '--machine', 'one')
    assert.deepEqual(readdirSync(out), ['one'])
    const again = await longshoreCommand(
      'receiver',
      'export',
      ...data,
      '--to',
      out,
      '--machine',
      'one',
    )
    assert.match(again, /1 were there already|1 was there already/)
    await receiver.end()
  })

  test('export refuses to write into the data folder', async () => {
    const dataDir = fresh('data')
    await (await startReceiverProcess(dataDir)).end()
    for (const to of [dataDir, join(dataDir, 'out'), dirname(dataDir)]) {
      const args = ['receiver', 'export', '--data', dataDir, '--to', to]
      const { status, stderr } = await longshoreRun(args)
      assert.equal(status, 2, to)
      assert.match(stderr, /must not overlap/)
    }
  })

  test('ls into a pipe that closes early ends without an error', async () => {
    const receiver = await startReceiverProcess(fresh('data'))
    const device = await deviceOf(receiver)
    await device.sync()
    await receiver.end()
    const head = longshoreStart(
      [
        '-c',
        `"$0" receiver ls --data "$1" | head -c 1; echo "\${PIPESTATUS}"`,
        'bin/longshore',
        receiver.dataDir,
      ],
      { program: '/bin/sh' },
    )
    await head.printed(/./)
    await head.end()
    assert.doesNotMatch(head.stderr(), /bug/)
  })
})

test('every command has help with an example, and unknown words are refused', async () => {
  const overview = (await longshoreRun(['--help'])).stdout
  const names = [...overview.matchAll(/^ {2}((?:receiver |machine )*\w+) {2,}/gm)].map((m) => m[1]!)
  assert.ok(names.length >= 9, overview)
  const helps = await Promise.all(names.map((name) => longshoreRun([...name.split(' '), '--help'])))
  for (const [index, name] of names.entries()) {
    const { status, stdout } = helps[index]!
    assert.equal(status, 0)
    assert.match(stdout, new RegExp(`Usage: longshore ${name}`))
    assert.match(stdout, /Example/)
  }
  const unknown = await longshoreRun(['snyc'])
  assert.equal(unknown.status, 2)
  assert.match(unknown.stderr, /snyc/)
})
