import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { ordinaryUid } from '../scan/another-user.ts'
import { giveTo } from '../support/give-to.ts'
import { MachineDevice } from './machine-device.ts'
import { MachineReceiver } from './machine-receiver.ts'

/*
 * What happens to the receiver's data folder under a receiver that runs. It is an ordinary user's
 * process, as permissions do not bind root. (A file system with files open for writing cannot be made
 * read-only by anybody; folders without the right to write stand in for one that the kernel has.)
 */

const MiB = 1024 * 1024

let receiver: MachineReceiver
let device: MachineDevice

before(async () => {
  receiver = await MachineReceiver.start()
  const cloud = await receiver.cloud()
  device = new MachineDevice(cloud)
  chmodSync(receiver.top, 0o755)
  giveTo(ordinaryUid, receiver.dataDir)
  await restart()
})

after(async () => {
  await device.close()
  await receiver.close()
})

/** Nothing that it opens afterwards was open before. */
function restart(): Promise<void> {
  return receiver.restart({ uid: ordinaryUid })
}

/** Some wait, without anything on their way, for many tries; then all arrive. */
async function waitsAndArrives(why: RegExp, mend: () => void): Promise<void> {
  const files = device.files('capture', [10, 2000, 3 * MiB])
  device.log.lines.length = 0
  device.clock.skip(11 * 60_000)
  const isHeld = () => device.logged('uploads_held').some((line) => why.test(line))
  await device.until(`everything is held: ${why}`, isHeld, 100)
  const triesBefore = receiver.logged('upload_refused').length
  for (let second = 0; second < 120; second += 1) {
    await device.session.scan()
    await new Promise((resolve) => setTimeout(resolve, 5))
    device.clock.skip(1000)
  }
  assert.ok(receiver.logged('upload_refused').length - triesBefore <= 40)
  device.assertUntouched(files)
  mend()
  await device.untilArrived(files, receiver.catalogFile)
}

describe('invariant 2: nothing is acknowledged, and all arrives when it is mended, when the receiver', () => {
  test('may not write to its segments folder', async () => {
    await restart()
    chmodSync(receiver.segmentsFolder, 0o500)
    await waitsAndArrives(/not_durable/, () => chmodSync(receiver.segmentsFolder, 0o700))
    assert.match(receiver.logged('not_durable').join('\n'), /EACCES/)
  })

  test('may not look into its data folder', async () => {
    await restart()
    chmodSync(receiver.dataDir, 0)
    await waitsAndArrives(/data_folder_unusable/, () => chmodSync(receiver.dataDir, 0o700))
    assert.match(receiver.logged('data_folder_unusable').join('\n'), /EACCES/)
  })

  test('has lost its data folder', async () => {
    await restart()
    const away = `${receiver.dataDir}-away`
    renameSync(receiver.dataDir, away)
    await waitsAndArrives(/data_folder_unusable/, () => renameSync(away, receiver.dataDir))
  })

  test('has lost its segments folder', async () => {
    await restart()
    rmSync(receiver.segmentsFolder, { recursive: true })
    await waitsAndArrives(/not_durable/, () => {
      mkdirSync(receiver.segmentsFolder, { mode: 0o700 })
      giveTo(ordinaryUid, receiver.segmentsFolder)
    })
  })

  test('has lost its segments folder while it appends to one of them', async () => {
    await device.untilArrived(device.files('capture', [10]), receiver.catalogFile)
    rmSync(receiver.segmentsFolder, { recursive: true })
    await waitsAndArrives(/not_durable/, () => {
      mkdirSync(receiver.segmentsFolder, { mode: 0o700 })
      giveTo(ordinaryUid, receiver.segmentsFolder)
    })
  })
})
