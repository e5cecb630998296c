import assert from 'node:assert/strict'
import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { FaultyLink } from '../support/faulty-link.ts'
import { SmallDisk } from '../support/small-disk.ts'
import { MachineDevice, storedFiles } from './machine-device.ts'
import { MachineReceiver } from './machine-receiver.ts'

/*
 * The receiver's disk is full at the moment when it writes. Where its segments are on a small disk of
 * their own, its look at the free space beforehand finds enough.
 */

const KiB = 1024
const MiB = 1024 * KiB

let receiver: MachineReceiver
let link: FaultyLink
let device: MachineDevice

before(async () => {
  receiver = await MachineReceiver.start()
  link = await FaultyLink.open(Number(new URL(receiver.address).port))
  const cloud = await receiver.cloud()
  device = new MachineDevice({ ...cloud, app_address: `https://localhost:${link.port}` })
})

after(async () => {
  await device.close()
  await link.close()
  await receiver.close()
})

/** It says so, and tries again with pauses that grow. */
async function heldFor(code: RegExp): Promise<void> {
  device.log.lines.length = 0
  // The same reason is not told again within ten minutes.
  device.clock.skip(11 * 60_000)
  const isHeld = () => device.logged('uploads_held').some((line) => code.test(line))
  await device.until(`everything is held: ${code}`, isHeld, 100)
  const triesBefore = receiver.logged('upload_refused').length
  for (let second = 0; second < 120; second += 1) {
    await device.session.scan()
    await new Promise((resolve) => setTimeout(resolve, 5))
    device.clock.skip(1000)
  }
  const tries = receiver.logged('upload_refused').length - triesBefore
  assert.ok(tries <= 40, `${tries} tries in two minutes are too many`)
}

function toldTheDiskIsFull(): void {
  assert.match(receiver.logged('not_durable').join('\n'), /ENOSPC|EFBIG|full|I\/O/)
}

describe('invariant 2: nothing that is not stored is acknowledged, and all arrives when there is room again, when the disk of the receiver is full', () => {
  test('in the middle of a large upload', async () => {
    const disk = new SmallDisk(receiver.segmentsFolder, 3 * MiB)
    await receiver.restart({ launcher: disk.launcher })
    link.set({ upBytesPerSecond: 8 * MiB })
    const large = device.files('capture', [8 * MiB])
    await heldFor(/not_durable/)
    toldTheDiskIsFull()
    device.assertUntouched(large)
    assert.deepEqual(storedFiles(receiver.catalogFile), [])
    disk.makeRoom(receiver.pid)
    await link.heal()
    await device.untilArrived(large, receiver.catalogFile)
  })

  test('for a part of the small files', async () => {
    const disk = new SmallDisk(receiver.segmentsFolder, 300 * KiB)
    await receiver.restart({ launcher: disk.launcher })
    const small = device.files('capture', new Array(100).fill(10 * KiB))
    await heldFor(/not_durable/)
    toldTheDiskIsFull()
    const left = small.filter((path) => existsSync(path))
    assert.ok(left.length > 0)
    device.assertUntouched(left)
    device.assertStored(
      small.filter((path) => !existsSync(path)),
      receiver.catalogFile,
    )
    disk.makeRoom(receiver.pid)
    await device.untilArrived(small, receiver.catalogFile)
  })

  test('with its catalog on it', async () => {
    const disk = new SmallDisk(receiver.dataDir, 2 * MiB)
    await receiver.restart({ launcher: disk.launcher })
    const files = device.files('capture', [...new Array(200).fill(10 * KiB), 3 * MiB])
    await heldFor(/not_durable|storage_full/)
    disk.fill(receiver.pid)
    await heldFor(/not_durable|storage_full/)
    device.assertUntouched(files.filter((path) => existsSync(path)))
    disk.makeRoom(receiver.pid)
    await device.until('all files arrive', () => !files.some((path) => existsSync(path)))
    // That disk goes with the receiver.
    const copy = join(receiver.top, 'copy')
    cpSync(disk.seenBy(receiver.pid), copy, { recursive: true })
    device.assertStored(files, join(copy, 'catalog.sqlite'))
  })
})
