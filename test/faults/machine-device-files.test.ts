import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { ordinaryUid } from '../scan/another-user.ts'
import { MisbehavingReceiver } from '../support/misbehaving-receiver.ts'
import { problem } from '../support/misbehaviour.ts'
import { SmallDisk } from '../support/small-disk.ts'
import { MachineDaemon } from './machine-daemon.ts'
import { MachineDevice } from './machine-device.ts'

/*
 * Faults of the device's own disk and rights. Where permissions count the daemon runs as an ordinary
 * user, as they do not bind root. Where no file system can be mounted, folders that this user may not
 * write to stand in for a read-only one.
 */

const MiB = 1024 * 1024

let receiver: MisbehavingReceiver
let daemon: MachineDaemon

before(async () => {
  receiver = await MisbehavingReceiver.start()
})
after(() => receiver.close())
beforeEach(() => {
  const { address, caPem } = receiver
  const cloud = { app_address: address, id: 'robot', secret: 'secret', ca_pem: caPem }
  daemon = new MachineDaemon(cloud)
})
afterEach(() => daemon.close())

/** How often a file with this path has arrived whole. */
function arrivedTimes(path: string): number {
  return receiver.files.filter(({ file }) => file.path === path).length
}

async function untilArrived(...paths: readonly string[]): Promise<void> {
  await daemon.until(`${paths} arrive`, () => paths.every((path) => arrivedTimes(path) === 1))
  await daemon.until(`${paths} are removed`, () => !paths.some((path) => existsSync(path)))
}

function leftAlone(path: string, code: string): boolean {
  const lines = daemon.logged('left_alone')
  return lines.some((line) => line.includes(`"${path}"`) && line.includes(`"${code}"`))
}

describe('invariant 8: what cannot be read or removed is told and not sent, and the others go on', () => {
  test('while a file may not be read', async () => {
    const hidden = daemon.put('hidden.capture')
    const arbitrary = daemon.put('hidden.log')
    for (const path of [hidden, arbitrary]) chmodSync(path, 0)
    await daemon.start({ uid: ordinaryUid })
    await untilArrived(daemon.put('other.capture'))
    await daemon.until('it is told', () =>
      [hidden, arbitrary].every((path) => leftAlone(path, 'unreadable')),
    )
    assert.deepEqual([arrivedTimes(hidden), arrivedTimes(arbitrary)], [0, 0])
    for (const path of [hidden, arbitrary]) chmodSync(path, 0o600)
    await untilArrived(hidden, arbitrary)
    await daemon.end()
  })

  test('while a folder may not be read, or is not to be written to', async () => {
    const [unread, fixed] = [daemon.put('unread/f.capture'), daemon.put('fixed/f.capture', 2 * MiB)]
    const [other, late] = [daemon.put('other/f.capture'), daemon.put('other/late/f.capture')]
    chmodSync(dirname(unread), 0)
    chmodSync(dirname(fixed), 0o500)
    await daemon.start({ uid: ordinaryUid })
    await untilArrived(other, late)
    await daemon.until('it is told', () => leftAlone(dirname(unread), 'unreadable'))
    await daemon.until('it is told', () => leftAlone(fixed, 'not_removable'))
    assert.deepEqual([arrivedTimes(unread), arrivedTimes(fixed)], [0, 0])
    for (const path of [unread, fixed]) chmodSync(dirname(path), 0o700)
    await untilArrived(unread, fixed)
    await daemon.end()
  })

  test('while the file system is read-only', async () => {
    const paths = [daemon.put('a.capture'), daemon.put('b.capture', 2 * MiB)]
    const disk = new SmallDisk(daemon.captureDir, 8 * MiB, { readOnly: true })
    const seenAt = (path: string) => join(dirname(disk.seenBy(daemon.pid)), path)
    if (!SmallDisk.isReal) chmodSync(daemon.captureDir, 0o500)
    await daemon.start(SmallDisk.isReal ? { launcher: disk.launcher } : { uid: ordinaryUid })
    await daemon.until('it is told', () => paths.every((path) => leftAlone(path, 'not_removable')))
    assert.deepEqual(paths.map(arrivedTimes), [0, 0])
    if (SmallDisk.isReal) disk.makeWritable(daemon.pid)
    else chmodSync(daemon.captureDir, 0o700)
    const seen = ['capture/a.capture', 'capture/b.capture'].map(seenAt)
    await daemon.until('all are removed', () => !seen.some((path) => existsSync(path)))
    assert.deepEqual(paths.map(arrivedTimes), [1, 1])
    await daemon.end()
  })
})

test('A file that is stored while its file system becomes read-only is removed later, without being sent again.', async () => {
  const path = daemon.put('a.capture')
  const disk = new SmallDisk(daemon.captureDir, 8 * MiB)
  const seen = () => join(disk.seenBy(daemon.pid), 'a.capture')
  receiver.next({
    does: 'outcomes',
    change: (truth) => {
      if (SmallDisk.isReal) disk.makeReadOnly(daemon.pid)
      else chmodSync(daemon.captureDir, 0o500)
      return truth
    },
  })
  await daemon.start(SmallDisk.isReal ? { launcher: disk.launcher } : { uid: ordinaryUid })
  await daemon.until('it is told', () =>
    daemon.logged('not_removable').some((line) => /EROFS|EACCES/.test(line)),
  )
  assert.ok(existsSync(seen()))
  const uploads = receiver.uploads.length
  if (SmallDisk.isReal) disk.makeWritable(daemon.pid)
  else chmodSync(daemon.captureDir, 0o700)
  await daemon.until('it is removed', () => !existsSync(seen()))
  assert.equal(arrivedTimes(path), 1)
  assert.equal(receiver.uploads.length, uploads)
  await daemon.end()
})

test('invariant 5: on a full disk files are sent and removed, and one is set aside, without its sidecar.', async () => {
  const poison = daemon.put('poison.capture', 2 * MiB)
  const good = daemon.put('good.capture', 2 * MiB)
  renameSync(good, `${good}.tmp`)
  const disk = new SmallDisk(daemon.captureDir, 8 * MiB)
  receiver.every(problem(400, 'bad_request'))
  await daemon.start({ launcher: disk.launcher })
  disk.fill(daemon.pid)
  await daemon.until('it is set aside', () => daemon.logged('file_quarantined').length > 0)
  receiver.every(undefined)
  assert.match(daemon.logged('file_quarantined')[0]!, /"no_why_file":"(ENOSPC|EFBIG)"/)
  const failed = disk.seenBy(daemon.pid, 'failed')
  assert.ok(readFileSync(join(failed, 'poison.capture')).length > 2 * MiB, 'it is whole')
  assert.equal(arrivedTimes(poison), 0)
  const seen = disk.seenBy(daemon.pid, 'good.capture')
  renameSync(`${seen}.tmp`, seen)
  await daemon.until('the other is removed', () => !existsSync(seen))
  assert.equal(arrivedTimes(good), 1)
  await daemon.end()
})

test('invariant 5: a daemon that can write no byte to any file syncs all the same.', async () => {
  const files = [daemon.put('a.capture'), daemon.put('b.capture', 2 * MiB)]
  await daemon.start({ launcher: ['prlimit', '--fsize=0:0'] })
  await untilArrived(...files)
  await daemon.end()
})

test('A file that cannot be set aside stays, is tried with growing pauses, and is set aside when it can.', async () => {
  const { address, caPem } = receiver
  const cloud = { app_address: address, id: 'robot', secret: 'secret', ca_pem: caPem }
  const device = new MachineDevice(cloud)
  try {
    // What a full table of inodes does as well: there can be no folder of this name.
    const inTheWay = join(device.tree.path, 'capture', 'failed')
    symlinkSync('/nowhere', inTheWay)
    const [poison] = device.files('capture', [1000])
    receiver.every(problem(400, 'bad_request'))
    const held = () => device.logged('file_held').filter((line) => line.includes('set aside'))
    await device.until('it cannot be set aside', () => held().length > 0)
    const uploads = receiver.uploads.length
    for (let minute = 0; minute < 60; minute += 1) {
      await device.session.scan()
      await device.session.uploader.whenIdle()
      device.clock.skip(60_000)
    }
    const tries = receiver.uploads.length - uploads
    assert.ok(tries <= 60, `${tries} tries in an hour are too many`)
    device.assertUntouched([poison!])
    rmSync(inTheWay)
    const setAside = () => device.logged('file_quarantined').length > 0
    await device.until('it is set aside', setAside, 60_000)
    assert.ok(existsSync(join(inTheWay, 'f0.capture')))
  } finally {
    receiver.every(undefined)
    await device.close()
  }
})
