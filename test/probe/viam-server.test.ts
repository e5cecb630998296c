import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, realpathSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { findViamServers, isViamServer } from '../../src/probe/viam-server.ts'
import { FakeProc, type FakeProcess } from './fake-proc.ts'

let proc: FakeProc
let home: string
beforeEach(() => {
  proc = new FakeProc()
  home = join(realpathSync(proc.folder), 'home')
})
afterEach(() => proc.remove())

const service = (attributes: object) => ({
  services: [
    { name: 'nav', type: 'navigation' },
    { name: 'dm', type: 'data_manager', attributes },
  ],
})
const configFile = (config: unknown, name = 'viam.json') => proc.file(name, JSON.stringify(config))

const find = async () =>
  await findViamServers({ procRoot: proc.root, passwdFile: join(proc.folder, 'passwd') })

/** The one viam-server that there is, running with this config file. */
const findWith = async (file: string, process: FakeProcess = {}) => {
  proc.add(41, { comm: 'bash' })
  proc.add(42, {
    comm: 'viam-server',
    argv: ['/usr/bin/viam-server', '-config', file],
    environment: ['A=b', `HOME=${home}`],
    ...process,
  })
  const servers = await find()
  assert.equal(servers.length, 1)
  const [server] = servers
  assert.ok(server !== undefined && server.pid === 42)
  return server
}

describe('findViamServers', () => {
  test('reads a local config: sync is enabled unless it says otherwise', async () => {
    const file = configFile(service({}))
    assert.deepEqual(await findWith(file), {
      pid: 42,
      syncEnabled: true,
      directories: [`${home}/.viam/capture`],
      why: `sync is enabled in ${file}`,
    })
  })

  test('collects capture_dir, with its ~ expanded, and additional_sync_paths, and follows links', async () => {
    mkdirSync(join(proc.folder, 'real'))
    symlinkSync('real', join(proc.folder, 'link'))
    const file = configFile(
      service({
        capture_dir: '~/cap',
        additional_sync_paths: [`${proc.folder}/link/x`, 'rel', '~/y', 7],
      }),
    )
    const real = realpathSync(proc.folder)
    assert.deepEqual((await findWith(file, { cwd: '/srv' })).directories, [
      `${home}/cap`,
      `${real}/real/x`,
      '/srv/rel',
      '/srv/~/y',
    ])
  })

  test('says that sync is disabled, and still names the directories', async () => {
    const server = await findWith(configFile(service({ sync_disabled: true, capture_dir: '/c' })))
    assert.equal(server.syncEnabled, false)
    assert.deepEqual(server.directories, ['/c'])
    assert.match(server.why, /disabled/)
  })

  test('finds the service by its api under any name', async () => {
    const services = [{ name: 'x', api: 'rdk:service:data_manager', attributes: {} }]
    assert.equal((await findWith(configFile({ services }))).syncEnabled, true)
  })

  test('a config without a data manager syncs nothing', async () => {
    const server = await findWith(configFile({ components: [] }))
    assert.deepEqual([server.syncEnabled, server.directories], [false, []])
  })

  test("reads the cloud's config from the copy in the home of the process", async () => {
    const file = configFile({ cloud: { id: 'part-1', secret: 's' }, ...service({}) })
    const cached = configFile(
      service({ capture_dir: '/from-cloud' }),
      'home/.viam/cached_cloud_config_part-1.json',
    )
    const server = await findWith(file)
    assert.deepEqual(server.directories, ['/from-cloud'])
    assert.match(server.why, new RegExp(cached.split('/').at(-1) ?? ''))
  })

  test('finds the home in passwd where the environment is hidden', async () => {
    const uid = process.getuid?.()
    proc.file('passwd', `a:x:99999:1::/a:/bin/sh\nme:x:${uid}:1:Me,,:/home/me:/bin/sh\n`)
    const server = await findWith(configFile(service({})), { environment: [] })
    assert.deepEqual(server.directories, ['/home/me/.viam/capture'])
  })

  const unknowns: readonly (readonly [string, () => string, RegExp])[] = [
    ['is missing', () => '/nowhere/viam.json', /\/nowhere\/viam\.json: ENOENT/],
    ['is not JSON', () => proc.file('viam.json', '{"services": ['), /viam\.json: .*JSON/],
    ['is a JSON list', () => configFile([]), /not a JSON object/],
    ['is a directory', () => proc.folder, /not a config file/],
    ['names a cloud whose copy is missing', () => configFile({ cloud: { id: 'p' } }), /_p\.json/],
    ['names a cloud without an id', () => configFile({ cloud: {} }), /without a usable id/],
    [
      'names a cloud whose id is a path',
      () => configFile({ cloud: { id: '/../../x' } }),
      /usable id/,
    ],
    [
      'is relative to a folder that is hidden',
      () => {
        configFile(service({}))
        return 'viam.json'
      },
      /hidden folder/,
    ],
  ]
  for (const [what, makeFile, why] of unknowns) {
    test(`does not know whether sync is enabled when the config ${what}`, async () => {
      const server = await findWith(makeFile())
      assert.equal(server.syncEnabled, 'unknown')
      assert.deepEqual(server.directories, [`${home}/.viam/capture`])
      assert.match(server.why, why)
    })
  }

  test('does not know either when a directory depends on the environment', async () => {
    const dirs = { capture_dir: '$' + '{environment.DIR}/x', additional_sync_paths: ['/logs'] }
    const server = await findWith(configFile(service(dirs)))
    assert.equal(server.syncEnabled, 'unknown')
    assert.deepEqual(server.directories, ['/logs', `${home}/.viam/capture`])
  })

  test('does not know either without -config, nor with nobody to ask for the home', async () => {
    const server = await findWith('', { argv: ['viam-server'], environment: [] })
    assert.deepEqual([server.syncEnabled, server.directories], ['unknown', []])
    assert.match(server.why, /names no config file/)
  })

  test('takes the config file in every way that it can be given', async () => {
    const file = configFile(service({ capture_dir: '/c' }))
    const ways = [
      [`-config=${file}`],
      [`--config=${file}`],
      ['--config', file],
      ['-debug', '-config', file],
    ]
    for (const [index, way] of ways.entries()) {
      proc.add(100 + index, { comm: 'viam-server', argv: ['viam-server', ...way] })
    }
    const servers = await find()
    assert.deepEqual(
      servers.map((server) => server.directories),
      ways.map(() => ['/c']),
    )
  })

  test('finds nothing where there is none, and passes over processes that vanish', async () => {
    mkdirSync(join(proc.root, '7'))
    proc.add(8, { comm: 'vim', argv: ['vim', 'viam-server.log'] })
    assert.deepEqual(await find(), [])
  })

  test('finds a real process by its name and reads its config relative to its folder', async () => {
    const script = proc.file('bin/viam-server', '#!/bin/sh\necho up\nread line\n')
    chmodSync(script, 0o755)
    configFile(service({ capture_dir: '~/real' }), 'work/my.json')
    const child = spawn(script, ['-config', 'my.json'], {
      cwd: join(proc.folder, 'work'),
      env: { HOME: home, PATH: '/bin:/usr/bin' },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    try {
      const server = (await findViamServers()).find(({ pid }) => pid === child.pid)
      assert.equal(server?.syncEnabled, true)
      assert.deepEqual(server?.directories, [`${home}/real`])
    } finally {
      child.kill()
      await once(child, 'exit')
    }
    assert.equal(
      (await findViamServers()).some(({ pid }) => pid === child.pid),
      false,
    )
  })
})

describe('isViamServer', () => {
  test('knows the name the kernel keeps, cut to 15 bytes, and the command line', () => {
    assert.equal(isViamServer('viam-server', []), true)
    assert.equal(isViamServer('viam-server-lat', []), true)
    assert.equal(isViamServer('main', ['/opt/viam/bin/viam-server-latest-aarch64']), true)
    assert.equal(isViamServer('sh', ['/bin/sh', '/opt/viam-server', '-config']), true)
  })

  test('is not fooled by what only mentions the name', () => {
    assert.equal(isViamServer('viam-agent', ['/opt/viam/bin/viam-agent']), false)
    assert.equal(isViamServer('tail', ['tail', 'viam-server']), false)
    assert.equal(isViamServer('viam-serverless', ['viam-serverless']), false)
    assert.equal(isViamServer('', []), false)
  })
})

test('a config behind a pipe is not waited for', async () => {
  const fifo = join(proc.folder, 'pipe')
  const made = spawn('/bin/sh', ['-c', 'mkfifo "$1"', 'sh', fifo])
  await once(made, 'exit')
  assert.ok(statSync(fifo).isFIFO())
  assert.equal((await findWith(fifo)).syncEnabled, 'unknown')
})
