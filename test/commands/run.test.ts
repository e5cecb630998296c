import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
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

before(async () => {
  top = mkdtempSync(join(tmpdir(), 'longshore-test-run-'))
  receiver = await startReceiverProcess(join(top, 'receiver'))
})

after(async () => {
  await receiver.end()
  rmSync(top, { recursive: true, force: true })
})

async function robot(attributes: Record<string, unknown> = {}) {
  number += 1
  const machine = `robot-${number}`
  const capture = join(top, machine, 'capture')
  mkdirSync(capture, { recursive: true })
  const config = join(top, `${machine}.json`)
  await writeMachineConfig(config, receiver, machine, {
    capture_dir: capture,
    sync_interval_mins: 0.001,
    file_last_modified_millis: 50,
    ...attributes,
  })
  return { machine, capture, config }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let n = 0; n < 1000; n += 1) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('it did not come to that')
}

describe('longshore run', () => {
  test('syncs what appears while it runs, and ends with 0 at SIGTERM', async () => {
    const { capture, config, machine } = await robot()
    const daemon = longshoreStart(['run', '--config', config])
    await daemon.printed(/"event":"started"/)
    for (let n = 0; n < 20; n += 1) writeFileSync(join(capture, `f${n}`), randomBytes(1000))
    await until(() => readdirSync(capture).length === 0)
    writeFileSync(join(capture, 'later'), 'x')
    await until(() => readdirSync(capture).length === 0)
    assert.equal(await daemon.end('SIGTERM'), 0)
    const last = daemon.stdout().trim().split('\n').at(-1)!
    assert.equal(JSON.parse(last).event, 'stopped', 'every line is JSON')
    const where = ['--data', receiver.dataDir, '--machine', machine]
    const lines = await longshoreCommand('receiver', 'ls', ...where)
    assert.equal(lines.trim().split('\n').length, 21)
  })

  test('waits for a receiver that is not there yet, and for one that goes away', async () => {
    const dataDir = join(top, `late-${number}`)
    let late = await startReceiverProcess(dataDir)
    const port = new URL(late.address).port
    const { capture } = await robot()
    const config = join(top, `late-${number}.json`)
    await writeMachineConfig(config, late, 'late', {
      capture_dir: capture,
      sync_interval_mins: 0.001,
      file_last_modified_millis: 50,
    })
    await late.end()
    writeFileSync(join(capture, 'early'), 'x')
    const daemon = longshoreStart(['run', '--config', config])
    await daemon.printed(/"event":"uploads_held"/)
    late = await startReceiverProcess(dataDir, ['--listen', `127.0.0.1:${port}`])
    await until(() => !existsSync(join(capture, 'early')))
    await late.end('SIGKILL')
    writeFileSync(join(capture, 'between'), 'y')
    late = await startReceiverProcess(dataDir, ['--listen', `127.0.0.1:${port}`])
    await until(() => !existsSync(join(capture, 'between')))
    assert.equal(await daemon.end(), 0)
    await late.end()
    const lines = await longshoreCommand('receiver', 'ls', '--data', dataDir)
    assert.equal(lines.trim().split('\n').length, 2)
  })

  test('syncs a root that appears later', async () => {
    const { capture, config } = await robot()
    rmSync(capture, { recursive: true })
    const daemon = longshoreStart(['run', '--config', config])
    await daemon.printed(/"event":"root_missing"/)
    mkdirSync(`${capture}-new`)
    writeFileSync(join(`${capture}-new`, 'f'), 'x')
    renameSync(`${capture}-new`, capture)
    await until(() => readdirSync(capture).length === 0)
    assert.equal(await daemon.end(), 0)
  })

  test('waits while paused', async () => {
    const { capture, config } = await robot({ sync_disabled: true })
    writeFileSync(join(capture, 'f'), 'x')
    const daemon = longshoreStart(['run', '--config', config])
    await daemon.printed(/"event":"gate_shut"/)
    assert.equal(await daemon.end(), 0)
    assert.deepEqual(readdirSync(capture), ['f'])
  })

  test('a second daemon on the same root, or below it, ends with 4 and names the first', async () => {
    const { capture, config } = await robot()
    const first = longshoreStart(['run', '--config', config])
    await first.printed(/"event":"started"/)
    mkdirSync(join(capture, 'below'))
    for (const dir of [capture, join(capture, 'below'), join(capture, '..')]) {
      const other = join(top, 'other.json')
      const json = JSON.parse(readFileSync(config, 'utf8'))
      json.services[0].attributes.capture_dir = dir
      writeFileSync(other, JSON.stringify(json), { mode: 0o600 })
      const { status, stderr } = await longshoreRun(['run', '--config', other])
      assert.equal(status, 4, dir)
      assert.match(stderr, new RegExp(`${first.pid}`))
    }
    await first.end('SIGKILL')
    const after = longshoreStart(['run', '--config', config])
    await after.printed(/"event":"started"/)
    assert.equal(await after.end(), 0)
  })

  test('a bad config ends it with 2 and all problems at once', async () => {
    const { config } = await robot({
      sync_interval_mins: -1,
      tagz: ['x'],
      file_last_modified_millis: 'x',
    })
    const { status, stderr } = await longshoreRun(['run', '--config', config])
    assert.equal(status, 2)
    assert.match(stderr, /sync_interval_mins/)
    assert.match(stderr, /tagz.*tags/s)
    assert.match(stderr, /file_last_modified_millis/)
  })

  test('a viam-server on the same directory has it hold that root', async () => {
    const { capture, config } = await robot()
    const viamConfig = join(top, 'viam.json')
    const attributes = { capture_dir: capture }
    writeFileSync(
      viamConfig,
      JSON.stringify({ services: [{ name: 'dm', type: 'data_manager', attributes }] }),
    )
    const program = join(top, 'viam-server')
    writeFileSync(program, '#!/bin/sh\necho up\nwhile :; do sleep 0.1; done\n', { mode: 0o755 })
    const viam = longshoreStart(['-config', viamConfig], { program })
    await viam.printed(/up/)
    writeFileSync(join(capture, 'f'), 'x')
    const daemon = longshoreStart(['run', '--config', config])
    await daemon.printed(/"event":"root_viam_server"/)
    const check = await longshoreRun(['check', '--config', config])
    await daemon.end()
    await viam.end('SIGKILL')
    assert.deepEqual(readdirSync(capture), ['f'])
    assert.equal(check.status, 3)
    assert.match(check.stdout, /FAIL.*viam-server/)
  })
})
