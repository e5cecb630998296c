import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bytePath } from '../../src/base/byte-path.ts'
import { LongshoreError } from '../../src/base/errors.ts'
import { realPath } from '../../src/base/real-path.ts'
import { configPlaces, loadConfig, readFirst } from '../../src/config/load-config.ts'
import { systemContext, systemRootFacts } from '../../src/config/system-context.ts'
import { testCaPem } from './fake-context.ts'

let top: string
let folder: string
let path: string
let count = 0

before(async () => {
  top = await realpath(await mkdtemp(join(tmpdir(), 'longshore-config-')))
})
after(() => rm(top, { recursive: true, force: true }))
beforeEach(async () => {
  folder = join(top, String(count++))
  path = join(folder, 'conf', 'config.json')
  await mkdir(join(folder, 'conf'), { recursive: true })
})

const cloud = { app_address: 'https://r.example', id: 'm', secret: 'hunter2' }

async function save(config: unknown): Promise<void> {
  await writeFile(path, typeof config === 'string' ? config : JSON.stringify(config), {
    mode: 0o600,
  })
}

function configWith(attributes: object, block: object = cloud): object {
  const capture_dir = join(folder, 'capture')
  const service = { type: 'data_manager', attributes: { capture_dir, ...attributes } }
  return { cloud: block, services: [service] }
}

function makeFifo(place: string): void {
  const program = 'mkfifo'
  execFileSync(program, [place])
}

const load = (options: { path?: string; env?: NodeJS.ProcessEnv; homeDir?: string } = { path }) =>
  loadConfig({ env: {}, homeDir: folder, ...options })

async function failure(code: string, loading = load()): Promise<LongshoreError> {
  const error = await loading.then(
    () => assert.fail('the config was accepted'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof LongshoreError, String(error))
  assert.equal(error.code, code, error.message)
  assert.equal(error.exitCode, 2)
  assert.doesNotMatch(`${error.message} ${error.hint}`, /hunter/)
  return error
}

describe('loadConfig', () => {
  it('reads a complete config with the files that it names', async () => {
    await save(
      configWith({ tags: ['a'] }, { ...cloud, secret: undefined, secret_file: 's', ca_file: 'c' }),
    )
    await writeFile(join(folder, 'conf', 's'), 'hunter2\n', { mode: 0o600 })
    await writeFile(join(folder, 'conf', 'c'), testCaPem)
    const { config, notes, path: found } = await load()
    assert.equal(found, path)
    assert.equal(config.cloud.secret, 'hunter2')
    assert.equal(config.cloud.caPem, testCaPem)
    assert.equal(config.dataManager.captureDir, join(folder, 'capture'))
    assert.deepEqual(notes, [])
  })

  it('notes a config file, or a file with the secret, that others can read', async () => {
    await save(configWith({}))
    for (const [mode, noted] of [
      [0o640, true],
      [0o604, true],
      [0o600, false],
    ] as const) {
      await chmod(path, mode)
      const { notes } = await load()
      assert.equal(
        notes.some(({ keyPath }) => keyPath === 'cloud.secret'),
        noted,
        mode.toString(8),
      )
    }
    await save(configWith({}, { ...cloud, secret: undefined, secret_file: 's' }))
    await writeFile(join(folder, 'conf', 's'), 'hunter2')
    await chmod(join(folder, 'conf', 's'), 0o644)
    assert.equal((await load()).notes[0]?.keyPath, 'cloud.secret_file')
  })

  it('takes a relative path, a symbolic link and the place that LONGSHORE_CONFIG names', async () => {
    await save(configWith({}))
    const link = join(folder, 'link.json')
    await symlink(path, link)
    assert.equal((await load({ path: relative(process.cwd(), path) })).path, path)
    assert.equal((await load({ env: { LONGSHORE_CONFIG: link } })).path, link)
  })

  it('lists the places it looked in', async () => {
    const missing = join(folder, 'missing.json')
    const error = await failure('config_not_found', load({ path: missing }))
    assert.equal(error.message, `no config file; looked for ${missing}`)
    const below = join(path, 'config.json')
    await save('')
    await failure('config_not_found', load({ path: below }))
  })

  it('looks where --config, then LONGSHORE_CONFIG, then the system, then the account says', () => {
    const env = { LONGSHORE_CONFIG: '/b' }
    assert.deepEqual(configPlaces({ path: '/a', env, homeDir: '/h' }), ['/a'])
    assert.deepEqual(configPlaces({ env, homeDir: '/h' }), ['/b'])
    const both = ['/etc/longshore/config.json', '/h/.config/longshore/config.json']
    assert.deepEqual(configPlaces({ env: { LONGSHORE_CONFIG: '' }, homeDir: '/h' }), both)
    assert.deepEqual(configPlaces({ env: {}, homeDir: '' }), both.slice(0, 1))
  })

  it('takes the first file that exists and does not pass over one that it cannot read', async () => {
    await save('{}')
    assert.equal(readFirst([join(folder, 'missing'), path, '/dev/null']).path, path)
    assert.throws(() => readFirst([folder, path]), { code: 'config_unreadable' })
  })

  it('says what is there instead of a file, without waiting for it', async () => {
    const fifo = join(folder, 'fifo')
    makeFifo(fifo)
    const loop = join(folder, 'loop')
    await symlink(loop, loop)
    const socket = join(folder, 'socket')
    const server = createServer().listen(socket)
    await new Promise((resolve) => server.once('listening', resolve))
    for (const [place, what] of [
      [folder, /is a folder, not a file$/],
      [fifo, /is a pipe, not a file$/],
      ['/dev/zero', /is a device, not a file$/],
      [loop, /is a symbolic link that leads nowhere$/],
      [socket, /is a socket, not a file$/],
    ] as const) {
      const error = await failure('config_unreadable', load({ path: place }))
      assert.match(error.message, what)
    }
    await new Promise((resolve) => server.close(resolve))
  })

  it('takes a file of 1 MiB and refuses a larger one without reading all of it', async () => {
    const json = JSON.stringify(configWith({}))
    await save(json.padEnd(1_048_576))
    await load()
    await save(json.padEnd(1_048_577))
    assert.match((await failure('config_unreadable')).message, /over 1 MiB/)
    await truncate(path, 2 ** 40)
    assert.match((await failure('config_unreadable')).message, /over 1 MiB/)
  })

  it('refuses what is not JSON, with line and column', async () => {
    await save('{\n  "cloud": { "secret": hunter2 }\n}')
    const error = await failure('config_not_json')
    assert.equal(error.message, `${path}, line 2, column 24: a value should stand here`)
  })

  it('refuses an empty file, a byte order mark and other encodings by name', async () => {
    const json = JSON.stringify(configWith({}))
    for (const [bytes, message] of [
      ['', /is empty$/],
      [' \n', /is empty$/],
      [`\ufeff${json}`, /begins with a byte order mark$/],
      [Buffer.from(`\ufeff${json}`, 'utf16le'), /is not UTF-8$/],
      [Buffer.from('{"é": 1}', 'latin1'), /is not UTF-8$/],
    ] as const) {
      await writeFile(path, bytes)
      assert.match((await failure('config_not_json')).message, message)
    }
  })

  it('lists all problems, one a line', async () => {
    await save(configWith({ tag: ['x'], sync_interval_mins: -1 }, { ...cloud, secret: 5 }))
    const { message, hint } = await failure('config_invalid')
    assert.deepEqual(message.split('\n'), [
      `${path} has 3 problems:`,
      '  cloud.secret: expected a text of 1 to 1,024 bytes, found a number',
      '  services[0].attributes.sync_interval_mins: expected a number from 0 to 35,791, found -1',
      '  services[0].attributes.tag: expected a known attribute, found an unknown one (did you mean "tags"?)',
    ])
    assert.match(hint ?? '', /docs\/configuration\.md/)
  })

  it('reads files that the config names without waiting for them', async () => {
    const fifo = join(folder, 'fifo')
    makeFifo(fifo)
    const files = { secret: undefined, secret_file: fifo, ca_file: folder }
    await save(configWith({}, { ...cloud, ...files }))
    const { message } = await failure('config_invalid')
    assert.match(message, /secret_file: .* found a pipe, not a file/)
    assert.match(message, /ca_file: .*, a folder, not a file/)
    const latin1 = join(folder, 'latin1')
    await writeFile(latin1, Buffer.from('é', 'latin1'))
    await save(configWith({}, { ...cloud, secret: undefined, secret_file: latin1 }))
    assert.match((await failure('config_invalid')).message, /found a file that is not UTF-8/)
  })

  it('refuses unsafe roots that it finds on this computer', async () => {
    const link = join(folder, 'link')
    await symlink('/', link)
    const received = join(folder, 'received')
    await mkdir(received)
    await writeFile(join(received, 'longshore-receiver.json'), '{}')
    const checkout = fileURLToPath(new URL('../..', import.meta.url))
    for (const [root, reason] of [
      [link, /found "\/": it is the whole file system/],
      [join(link, 'etc', 'not-there'), /found "\/etc\/not-there": it belongs to the operating/],
      ['~', /it is the home directory of an account/],
      [top, /it contains the home directory/],
      [join(folder, 'conf'), /it contains .*config\.json, which Longshore itself needs/],
      [join(received, 'not-there'), /it is a receiver's data/],
      [checkout, /Longshore itself needs/],
    ] as const) {
      await save(configWith({ additional_sync_paths: [root] }))
      assert.match((await failure('config_invalid')).message, reason, root)
    }
  })
})

describe('systemRootFacts', () => {
  it('knows the home directories of the system and the file behind a linked config', async () => {
    await save('{}')
    const link = join(folder, 'link.json')
    await symlink(path, link)
    const home = join(folder, 'home')
    await symlink(join(folder, 'conf'), home)
    const facts = systemRootFacts(bytePath(link), `${home}/`)
    assert.ok(facts.homeDirs.includes(bytePath('/root')))
    assert.ok(facts.homeDirs.includes(bytePath(home)))
    assert.ok(facts.homeDirs.includes(bytePath(join(folder, 'conf'))))
    assert.ok(facts.ownFiles.includes(bytePath(path)))
    assert.ok(facts.ownFiles.includes(bytePath(link)))
  })
})

describe('realPath', () => {
  it('follows links as far as the path exists and keeps names that are not UTF-8', async () => {
    const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xe9])])
    await mkdir(odd)
    await symlink(odd, join(folder, 'link'))
    const resolved = realPath(bytePath(join(folder, 'link', 'a', 'b')))
    assert.equal(resolved, `${odd.toString('latin1')}/a/b`)
    assert.equal(realPath(bytePath('/')), '/')
  })
})

describe('systemContext', () => {
  it('lists the names in a folder, and none where there is no folder', async () => {
    await save('{}')
    const context = systemContext({
      configPath: bytePath(path),
      configReadableByOthers: false,
      homeDir: folder,
      env: {},
    })
    assert.deepEqual(context.list(bytePath(join(folder, 'conf'))), ['config.json'])
    assert.deepEqual(context.list(bytePath(path)), [])
    assert.equal(context.exists(bytePath(path)), true)
    assert.equal(context.exists(bytePath(join(folder, 'missing'))), false)
  })
})
