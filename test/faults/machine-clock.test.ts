import assert from 'node:assert/strict'
import { existsSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { FaultyLink } from '../support/faulty-link.ts'
import { startTestReceiver, type TestReceiver } from '../support/test-receiver.ts'
import { TestLog } from '../sync/test-log.ts'
import { MachineDevice } from './machine-device.ts'
import { SkippingClock } from './skipping-clock.ts'
import { cloudOf } from './test-cloud.ts'

/*
 * Somebody sets the wall clock of one end, by years. What programs write there has the time that it
 * shows. (TLS judges certificates by the clock of the computer, which no test may set.)
 */

const MiB = 1024 * 1024
const yearMs = 365 * 86_400_000

/** A wall clock that can be set. */
class JumpingClock extends SkippingClock {
  #aheadMs = 0

  override wallMs(): number {
    return super.wallMs() + this.#aheadMs
  }

  override skip(ms: number): void {
    this.#aheadMs += ms
    super.skip(ms)
  }

  jump(ms: number): void {
    this.#aheadMs += ms
  }
}

const log = new TestLog()
const receiverClock = new JumpingClock()
let receiver: TestReceiver
let catalogFile: string
let link: FaultyLink
let clock: JumpingClock
let device: MachineDevice

before(async () => {
  receiver = await startTestReceiver({ clock: receiverClock, log })
  catalogFile = join(receiver.dataDir, 'catalog.sqlite')
  link = await FaultyLink.open(receiver.receiver.port)
})
after(async () => {
  await link.close()
  await receiver.close()
})
beforeEach(() => {
  clock = new JumpingClock()
  const cloud = cloudOf(receiver, `https://localhost:${link.port}`)
  device = new MachineDevice(cloud, { clock, dataManager: { quietMs: 60_000 } })
})
afterEach(async () => {
  await device.close()
  await link.heal()
})

/** An arbitrary file with the time that the device shows now. */
function write(name: string, text: string): string {
  const path = join(device.tree.path, 'capture', name)
  writeFileSync(path, text)
  utimesSync(path, clock.wallMs() / 1000, clock.wallMs() / 1000)
  return path
}

async function scanFor(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await device.session.scan()
    clock.skip(1000)
  }
}

async function storedTexts(path: string): Promise<readonly string[]> {
  const stored = (await receiver.stored()).filter((file) => file.path === path)
  return stored.map(({ bytes }) => bytes.toString('utf8'))
}

describe('The quiet time of a file is kept when the clock of the device jumps', () => {
  for (const years of [20, -20]) {
    test(`${years} years`, async () => {
      await scanFor(2)
      const path = write(`log${years}`, 'first half, ')
      await scanFor(2)
      clock.jump(years * yearMs)
      // Their folder is looked into again.
      write(`other${years}`, 'something else')
      await scanFor(30)
      await device.session.uploader.whenIdle()
      assert.ok(existsSync(path), 'it was written half a minute ago')
      write(`log${years}`, 'first half, second half')
      await scanFor(30)
      await device.session.uploader.whenIdle()
      assert.ok(existsSync(path), 'it was written half a minute ago')
      await device.until('it is quiet', () => !existsSync(path), 10_000)
      assert.deepEqual(await storedTexts(path), ['first half, second half'])
    })
  }

  test('back and forth, over and over', async () => {
    // A daemon that has just been started cannot know.
    await scanFor(2)
    const path = write('rocking', 'text')
    for (let n = 0; n < 10; n += 1) {
      clock.jump(n % 2 === 0 ? 10 * yearMs : -10 * yearMs)
      write(`rocking${n}`, 'something else')
      await scanFor(2)
    }
    await device.session.uploader.whenIdle()
    assert.ok(existsSync(path), 'it was written twenty seconds ago')
    await device.until('it is quiet', () => !existsSync(path), 10_000)
    assert.deepEqual(await storedTexts(path), ['text'])
  })
})

describe('A wait ends in time when the clock of the device jumps', () => {
  for (const years of [20, -20]) {
    test(`${years} years while the receiver cannot be reached`, async () => {
      link.refuse()
      link.cutAll('rst')
      const files = device.files('capture', [10, 2000, 2 * MiB])
      const isHeld = () => device.logged('uploads_held').length > 0
      await device.until('everything waits', isHeld, 100)
      clock.jump(years * yearMs)
      await scanFor(60)
      device.assertUntouched(files)
      await link.heal()
      await device.untilArrived(files, catalogFile)
    })

    test(`${years} years in the middle of an upload, which goes on`, async () => {
      link.set({ upBytesPerSecond: 16 * MiB })
      const files = device.files('capture', [10, 8 * MiB])
      const before = link.upBytes
      await device.until('some of it has gone', () => link.upBytes - before > 2 * MiB, 0)
      clock.jump(years * yearMs)
      await device.untilArrived(files, catalogFile)
      assert.ok(link.upBytes - before < 9 * MiB, 'nothing was sent twice')
      assert.deepEqual(device.logged('uploads_held'), [])
    })
  }
})

describe('invariant 6: an upload that broke off goes on at the byte when the clock of the receiver jumps', () => {
  for (const years of [20, -20]) {
    test(`${years} years`, async () => {
      log.lines.length = 0
      link.set({ upBytesPerSecond: 16 * MiB })
      const files = device.files('capture', [8 * MiB])
      const before = link.upBytes
      await device.until('some of it has gone', () => link.upBytes - before > 3 * MiB, 0)
      link.refuse()
      link.cutAll('rst')
      receiverClock.jump(years * yearMs)
      // It looks for what has expired.
      for (let n = 0; n < 3; n += 1) {
        receiverClock.skip(11 * 60_000)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      await link.heal()
      await device.untilArrived(files, catalogFile)
      assert.ok(log.events.includes('upload_resumed'))
      assert.ok(!log.events.includes('upload_expired'))
    })
  }
})
