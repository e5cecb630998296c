import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { FaultyLink } from '../support/faulty-link.ts'
import { startTestReceiver, type TestReceiver } from '../support/test-receiver.ts'
import { TestLog } from '../sync/test-log.ts'
import { MachineDaemon } from './machine-daemon.ts'
import { MachineDevice } from './machine-device.ts'
import { MachineReceiver } from './machine-receiver.ts'
import { cloudOf } from './test-cloud.ts'

/*
 * One end is suspended in the middle of everything, for longer than the other has patience, and wakes
 * up again. Its connections have not heard of it.
 */

const MiB = 1024 * 1024

/** Connections that stand, with the end that listens on this port. */
function connectionsOf(port: number): number {
  const established = '01'
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const lines = ['tcp', 'tcp6'].flatMap((name) =>
    readFileSync(`/proc/net/${name}`, 'utf8').split('\n'),
  )
  return lines.filter((line) => {
    const [, from, , state] = line.trim().split(/\s+/)
    return from?.endsWith(local) === true && state === established
  }).length
}

async function polled(what: string, isSo: () => boolean): Promise<void> {
  const lateAtMs = performance.now() + 20_000
  while (!isSo()) {
    assert.ok(performance.now() < lateAtMs, `never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('invariant 6: when the device sleeps longer than the receiver waits', () => {
  const idleMs = 300
  const log = new TestLog()
  let receiver: TestReceiver
  let link: FaultyLink
  let daemon: MachineDaemon

  before(async () => {
    receiver = await startTestReceiver({
      log,
      limits: { streamIdleMs: idleMs, connectionIdleMs: idleMs, strangerMs: 5000 },
    })
    link = await FaultyLink.open(receiver.receiver.port, { upBytesPerSecond: 2 * MiB })
    daemon = new MachineDaemon(cloudOf(receiver, `https://localhost:${link.port}`))
  })
  after(async () => {
    await daemon.close()
    await link.close()
    await receiver.close()
  })

  test('in the middle of an upload, that goes on at the byte, and everything arrives once', async () => {
    const paths = [daemon.put('large.capture', 8 * MiB)]
    await daemon.start()
    await daemon.until('some of it has gone', () => link.upBytes > 3 * MiB)
    process.kill(daemon.pid, 'SIGSTOP')
    try {
      paths.push(daemon.put('small.capture'))
      await polled('the receiver has hung up', () => connectionsOf(receiver.receiver.port) === 0)
    } finally {
      process.kill(daemon.pid, 'SIGCONT')
    }
    await link.heal()
    await daemon.until('all are removed', () => !paths.some((path) => existsSync(path)))
    const stored = (await receiver.stored()).map(({ path }) => path as string)
    assert.deepEqual(stored.sort(), paths.sort())
    assert.ok(log.events.includes('upload_resumed'))
    assert.deepEqual(daemon.logged('file_held'), [])
    await daemon.end()
  })
})

describe('invariant 3: when the receiver sleeps longer than the device waits', () => {
  let receiver: MachineReceiver
  let device: MachineDevice
  let link: FaultyLink

  before(async () => {
    receiver = await MachineReceiver.start()
    link = await FaultyLink.open(Number(new URL(receiver.address).port))
    const cloud = { ...(await receiver.cloud()), app_address: `https://localhost:${link.port}` }
    device = new MachineDevice(cloud, { stallMs: 400 })
  })
  after(async () => {
    await device.close()
    await link.close()
    await receiver.close()
  })

  for (const [what, sizesBytes] of [
    ['a bundle', [10, 2000, 30_000]],
    ['a large file', [8 * MiB]],
  ] as const) {
    test(`with ${what} on its way, everything waits, and arrives once when it wakes up`, async () => {
      device.log.lines.length = 0
      // The same reason is not told again within ten minutes.
      device.clock.skip(17 * 60_000)
      const files = device.files('capture', sizesBytes)
      process.kill(receiver.pid, 'SIGSTOP')
      try {
        const isHeld = () => device.logged('uploads_held').length > 0
        await device.until('all waits', isHeld, 0)
        const accepted = link.connections
        for (let n = 0; n < 60; n += 1) {
          await device.session.scan()
          await new Promise((resolve) => setTimeout(resolve, 10))
          device.clock.skip(1000)
        }
        assert.ok(link.connections - accepted <= 20, 'it does not spin')
        device.assertUntouched(files)
      } finally {
        process.kill(receiver.pid, 'SIGCONT')
      }
      await device.untilArrived(files, receiver.catalogFile)
      assert.deepEqual(device.logged('file_held'), [])
    })
  }

  test('in the middle of a large upload, that goes on at the byte', async () => {
    link.set({ upBytesPerSecond: 4 * MiB })
    const files = device.files('capture', [8 * MiB])
    const before = link.upBytes
    await device.until('some of it has gone', () => link.upBytes - before > 3 * MiB, 0)
    process.kill(receiver.pid, 'SIGSTOP')
    try {
      device.log.lines.length = 0
      device.clock.skip(17 * 60_000)
      await device.until('all waits', () => device.logged('uploads_held').length > 0, 0)
      device.assertUntouched(files)
    } finally {
      process.kill(receiver.pid, 'SIGCONT')
    }
    await link.heal()
    await device.untilArrived(files, receiver.catalogFile)
    const resumed = receiver.logged('upload_resumed').at(-1)
    assert.ok(resumed !== undefined)
    const { bytes, arrived_bytes: arrived } = JSON.parse(resumed)
    assert.ok(arrived < 2 * bytes, `${arrived} bytes arrived of ${bytes}`)
  })
})
