import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { startTestReceiver, type TestReceiver } from '../support/test-receiver.ts'
import { BadSectors } from './bad-sectors.ts'
import { MachineDevice } from './machine-device.ts'
import { cloudOf } from './test-cloud.ts'

/* The device's disk gives an error in the middle of a file. */

const MiB = 1024 * 1024

let receiver: TestReceiver
let sectors: BadSectors
let device: MachineDevice
let catalogFile: string

before(async () => {
  receiver = await startTestReceiver()
  catalogFile = join(receiver.dataDir, 'catalog.sqlite')
  sectors = new BadSectors()
  device = new MachineDevice(cloudOf(receiver), { workerEntryUrl: sectors.workerEntryUrl })
})

after(async () => {
  await device.close()
  await receiver.close()
  sectors.remove()
})

afterEach(() => {
  sectors.mend()
  device.log.lines.length = 0
})

/** It is told of, alone. */
async function untilHeld(path: string, why: RegExp): Promise<void> {
  const isHeld = () =>
    device.logged('file_held').some((line) => line.includes(`"${path}"`) && why.test(line))
  await device.until(`it is held: ${path}`, isHeld, 100)
}

describe('invariant 4: a file that cannot be read to its end waits alone, and arrives when it can', () => {
  for (const [size, sizeBytes, fromByte] of [
    ['small', 50_000, 0],
    ['small', 50_000, 20_000],
    ['large', 5 * MiB, 0],
    ['large', 5 * MiB, 3 * MiB + 17],
    ['large', 5 * MiB, 5 * MiB],
  ] as const) {
    test(`a ${size} one with an error at byte ${fromByte}`, async () => {
      const [bad, ...others] = device.files('capture', [sizeBytes, 10, 2000, 2 * MiB])
      sectors.at(bad!, fromByte)
      await untilHeld(bad!, /EIO/)
      await device.untilArrived(others, catalogFile)
      const lines = device.logged('file_held').length
      for (let minute = 0; minute < 60; minute += 1) {
        await device.session.scan()
        await device.session.uploader.whenIdle()
        device.clock.skip(60_000)
      }
      // Each line stands for a try, or for two, four, eight of them.
      assert.ok(device.logged('file_held').length - lines <= 5)
      device.assertUntouched([bad!])
      assert.deepEqual(device.logged('uploads_held'), [])
      assert.deepEqual(device.logged('file_quarantined'), [])
      sectors.mend()
      device.clock.skip(11 * 60_000)
      await device.untilArrived([bad!], catalogFile)
    })
  }
})

test('A device that is out of memory while it reads has everything wait, and blames no file.', async () => {
  const files = device.files('capture', [10, 5 * MiB])
  for (const path of files) sectors.at(path, 0, 'ENOMEM')
  const isHeld = () => device.logged('uploads_held').some((line) => line.includes('device_busy'))
  await device.until('everything is held', isHeld, 100)
  device.assertUntouched(files)
  sectors.mend()
  await device.untilArrived(files, catalogFile)
  assert.deepEqual(device.logged('file_held'), [])
})
