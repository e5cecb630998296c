import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { MisbehavingReceiver } from '../support/misbehaving-receiver.ts'
import { MachineDaemon } from './machine-daemon.ts'
import { MachineDevice } from './machine-device.ts'
import { MachineReceiver } from './machine-receiver.ts'

/*
 * An end has no descriptor left for what it wants to open. (Node.js raises the soft limit to the hard
 * one when it starts: a limit from the start is a hard one, and one that is lifted comes later.)
 */

const MiB = 1024 * 1024

function limitDescriptors(pid: number, limit: number): void {
  const { status, stderr } = spawnSync('prlimit', ['--pid', `${pid}`, `--nofile=${limit}:`])
  assert.equal(status, 0, `${stderr}`)
}

describe('the daemon', () => {
  let receiver: MisbehavingReceiver
  let daemon: MachineDaemon
  let files: string[]

  before(async () => {
    receiver = await MisbehavingReceiver.start()
  })
  beforeEach(() => {
    const { address, caPem } = receiver
    const cloud = { app_address: address, id: 'robot', secret: 'secret', ca_pem: caPem }
    daemon = new MachineDaemon(cloud)
  })
  afterEach(() => daemon.close())
  after(() => receiver.close())

  function someFiles(name: string): void {
    files = Array.from({ length: 300 }, (_, n) => daemon.put(`${name}${n % 150}/f${n}.capture`))
    files.push(daemon.put(`${name}/1.capture`, 3 * MiB), daemon.put(`${name}/2.capture`, 3 * MiB))
  }

  async function allArrive(): Promise<void> {
    const isDone = () => !files.some((path) => existsSync(path))
    await daemon.until('all are removed', isDone)
    for (const path of files) {
      assert.equal(receiver.files.filter(({ file }) => file.path === path).length, 1, path)
    }
    for (const event of ['file_held', 'left_alone']) {
      assert.deepEqual(daemon.logged(event), [], 'no file is to blame')
    }
  }

  test('gets by with 48', async () => {
    someFiles('few')
    await daemon.start({ launcher: ['prlimit', '--nofile=48:48'] })
    await allArrive()
    await daemon.end()
  })

  test('waits while there is none, says so, and goes on when there are some again', async () => {
    await daemon.start()
    limitDescriptors(daemon.pid, 10)
    someFiles('none')
    await daemon.until('it is told', () => daemon.logged('scan_failed').length > 0)
    await daemon.aWhile()
    assert.match(daemon.logged('scan_failed')[0]!, /EMFILE/)
    assert.equal(daemon.logged('scan_failed').length, 1, 'it is told once')
    assert.ok(files.every((path) => existsSync(path)))
    limitDescriptors(daemon.pid, 4096)
    await allArrive()
    await daemon.end()
  })

  test('cannot even start a thread, waits, and goes on when it can', async () => {
    await daemon.start()
    // As many as it has with nothing to do, and a few to scan with.
    limitDescriptors(daemon.pid, readdirSync(`/proc/${daemon.pid}/fd`).length + 3)
    someFiles('thread')
    await daemon.until('it is told', () => daemon.logged('uploads_held').length > 0)
    await daemon.aWhile()
    assert.ok(files.every((path) => existsSync(path)))
    const tries = daemon.logged('thread_died').length
    assert.ok(tries <= 15, `${tries} tries in so short a time are too many`)
    limitDescriptors(daemon.pid, 4096)
    await allArrive()
    await daemon.end()
  })
})

describe('the receiver', () => {
  let receiver: MachineReceiver
  let device: MachineDevice

  before(async () => {
    receiver = await MachineReceiver.start()
    await receiver.cloud()
    await receiver.restart({ launcher: ['prlimit', '--nofile=48:48'] })
  })
  beforeEach(async () => {
    device = new MachineDevice(await receiver.cloud())
  })
  afterEach(() => device.close())
  after(() => receiver.close())

  test('gets by with 48', async () => {
    const files = device.files('capture', [...new Array(300).fill(1000), 3 * MiB, 3 * MiB])
    await device.untilArrived(files, receiver.catalogFile)
  })

  test('has none left while strangers hold them all, and takes everything when they are gone', async () => {
    const port = Number(new URL(receiver.address).port)
    const strangers = Array.from({ length: 200 }, () => {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.on('error', () => {})
      return socket
    })
    const files = device.files('capture', [10, 2000, 3 * MiB, 3 * MiB])
    await device.until('all waits', () => device.logged('uploads_held').length > 0, 100)
    for (let n = 0; n < 60; n += 1) {
      await device.session.scan()
      await new Promise((resolve) => setTimeout(resolve, 10))
      device.clock.skip(1000)
    }
    device.assertUntouched(files)
    for (const socket of strangers) socket.destroy()
    await device.untilArrived(files, receiver.catalogFile)
    assert.deepEqual(device.logged('file_held'), [], 'no file is to blame')
  })
})
