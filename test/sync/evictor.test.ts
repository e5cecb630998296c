import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  linkSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { nobodyWrites } from '../scan/scan-tree.ts'
import { TestEvictor } from './test-evictor.ts'

let room: TestEvictor
afterEach(() => room.remove())

/** Ten files that have had their chance, on a disk that has room. */
async function ready(options: ConstructorParameters<typeof TestEvictor>[0] = {}, files = 10) {
  room = new TestEvictor(options)
  room.captures(files)
  await room.pass(10)
}

describe('the disk-full rule', () => {
  test('looks once at the disk and at nothing else while there is room', async () => {
    room = new TestEvictor()
    room.captures(3)
    await room.pass(60)
    assert.deepEqual([room.looksAtDisk, room.looksAtRoots], [61, 0])
    assert.deepEqual([room.left().length, room.log.lines], [3, []])
  })

  test('removes as many files as are needed, oldest first, and says of each', async () => {
    await ready()
    await room.fill(3)
    assert.deepEqual(
      room.left().map((name) => name.slice(0, 2)),
      ['f3', 'f4', 'f5', 'f6', 'f7', 'f8', 'f9'],
    )
    assert.equal(room.stats.evicted, 3)
    assert.deepEqual(room.log.events, ['file_evicted', 'file_evicted', 'file_evicted'])
    const [line] = room.log.lines
    assert.equal(line!.level, 'warn')
    assert.equal(line!.fields!.path, join(room.tree.path, 'capture/f0.capture'))
    assert.match(String(line!.fields!.modified), /^\d{4}-/)
  })

  test('removes every nth, and begins again with the oldest of those that are left', async () => {
    await ready({ deleteEveryNth: 4 })
    await room.fill(4)
    assert.deepEqual(
      ['f0', 'f4', 'f8', 'f1'].map((name) => room.has(`${name}.capture`)),
      [false, false, false, false],
    )
    assert.equal(room.left().length, 6)
  })

  test('goes on where it was when room is needed bit by bit', async () => {
    await ready({ deleteEveryNth: 4 })
    for (let n = 1; n <= 3; n += 1) await room.fill(n)
    assert.equal(room.stats.evicted, 3)
    for (const name of ['f0', 'f4', 'f8']) assert.equal(room.has(`${name}.capture`), false, name)
  })

  test('invariant 1: removes no more than is needed where what is free does not show', async () => {
    await ready()
    room.freesAtOnce = false
    await room.fill(2)
    assert.equal(room.left().length, 8)
  })

  test('invariant 1: removes no more than is needed, however long that takes', async () => {
    await ready()
    room.freesAtOnce = false
    const has = () => {
      room.clock.pass(2000)
      return false
    }
    room.writers = { ...nobodyWrites, open: { ...nobodyWrites.open, has } }
    await room.fill(2)
    assert.equal(room.left().length, 8)
  })

  test('stops when others have made room in the meantime', async () => {
    await ready()
    room.beforeRemoval = () => {
      room.neededBytes = 0
    }
    await room.fill(5)
    assert.equal(room.left().length, 10)
  })

  test('invariant 7: goes through more files than it keeps in mind', async () => {
    await ready({ limit: 3, deleteEveryNth: 2 }, 20)
    await room.fill(10)
    assert.deepEqual(
      room.left().map((name) => Number(name.slice(1, -'.capture'.length)) % 2),
      Array.from({ length: 10 }, () => 1),
    )
  })

  test('invariant 7: comes to an end where no file of many may go', async () => {
    await ready({ limit: 3 }, 10)
    for (let n = 0; n < 10; n += 1) room.underWay.add(room.tree.at(`capture/f${n}.capture`))
    await room.fill(1)
    assert.equal(room.left().length, 10)
    assert.deepEqual(room.log.events, ['room_not_yet'])
  })

  test('removes nothing while capture_dir is not what fills the disk', async () => {
    await ready({ captureDirThreshold: 0.5 })
    room.diskBytes = 10 * 2 * 4096 + 1
    await room.fill(1)
    assert.equal(room.left().length, 10)
    assert.deepEqual(room.log.events, ['room_not_ours'])
    room.diskBytes = 10 * 2 * 4096
    await room.fill(1)
    assert.equal(room.left().length, 9)
  })

  test('invariant 1: removes nothing by thresholds that make no sense', async () => {
    for (const rule of [
      { diskUsageThreshold: Number.NaN },
      { captureDirThreshold: Number.NaN },
      { captureDirThreshold: 1.5 },
      { diskUsageThreshold: 1.5 },
    ]) {
      await ready(rule)
      await room.fill(10)
      assert.equal(room.left().length, 10, JSON.stringify(rule))
      room.remove()
    }
  })

  test('says once an hour why it removes nothing', async () => {
    room = new TestEvictor()
    room.captures(1)
    for (let minute = 0; minute < 5; minute += 1) await room.fill(1)
    assert.deepEqual(room.log.events, ['room_not_yet'])
    room.clock.pass(60 * 60_000)
    await room.fill(1)
    assert.equal(room.log.lines.length, 2)
  })

  test('reports what fails, removes nothing, and goes on later', async () => {
    await ready()
    room.beforeRemoval = () => {
      throw new Error('no /proc')
    }
    await room.fill(1)
    assert.deepEqual(room.log.events, ['room_failed'])
    assert.match(room.log.lines[0]!.message, /no \/proc/)
    room.beforeRemoval = () => {}
    await room.pass(11)
    await room.fill(1)
    assert.equal(room.left().length, 9)
  })
})

describe('invariant 1: the disk-full rule removes nothing', () => {
  test('before files had ten minutes online, however full the disk is', async () => {
    room = new TestEvictor()
    room.captures(3)
    await room.pass(9)
    await room.fill(3)
    assert.equal(room.left().length, 3)
    await room.pass(1)
    await room.fill(3)
    assert.equal(room.left().length, 0)
  })

  test('in the first ten minutes after a long time offline', async () => {
    room = new TestEvictor()
    room.isReachable = false
    await room.pass(60)
    room.captures(3)
    room.isReachable = true
    await room.pass(9)
    await room.fill(3)
    assert.equal(room.left().length, 3)
  })

  test('that came in the last ten minutes, old as its own time may be', async () => {
    await ready({}, 3)
    utimesSync(room.capture('young'), 1, 1)
    await room.fill(4)
    assert.ok(room.has('young.capture'))
    await room.pass(10)
    await room.fill(4)
    assert.deepEqual(room.left(), [])
  })

  test('while a viam-server runs, nor in the ten minutes after', async () => {
    await ready()
    room.viamServerRuns = true
    await room.fill(10)
    assert.deepEqual([room.left().length, room.log.events], [10, ['room_left_to_viam']])
    room.viamServerRuns = false
    await room.fill(10)
    await room.pass(9)
    await room.fill(10)
    assert.equal(room.left().length, 10)
    await room.pass(1)
    await room.fill(10)
    assert.equal(room.left().length, 0)
  })

  test('in the ten minutes after a viam-server was seen while there was room', async () => {
    await ready()
    room.viamServerRuns = true
    await room.pass(0)
    room.viamServerRuns = false
    await room.pass(9)
    await room.fill(10)
    assert.equal(room.left().length, 10)
  })

  test('when a viam-server is found directly before', async () => {
    await ready()
    room.beforeRemoval = () => {
      room.viamServerRuns = true
    }
    await room.fill(10)
    assert.equal(room.left().length, 10)
  })

  for (const state of ['missing', 'unreadable', 'unsafe', 'viam_server', 'in_use'] as const) {
    test(`where capture_dir is ${state}`, async () => {
      await ready()
      room.rootState = state
      await room.fill(10)
      assert.equal(room.left().length, 10)
    })
  }

  test('where capture_dir is not there', async () => {
    await ready()
    rmSync(join(room.tree.path, 'capture'), { recursive: true })
    await room.fill(10)
    assert.deepEqual([room.looksAtRoots, room.log.lines], [0, []])
  })

  test('of a disk that was mounted a moment ago', async () => {
    room = new TestEvictor()
    room.captures(3)
    const folder = join(room.tree.path, 'capture')
    renameSync(folder, `${folder}-on-disk`)
    room.tree.folder('capture')
    await room.pass(20)
    rmSync(folder, { recursive: true })
    renameSync(`${folder}-on-disk`, folder)
    await room.fill(3)
    assert.equal(room.left().length, 3)
    await room.pass(10)
    await room.fill(3)
    assert.equal(room.left().length, 0)
  })

  test('of a disk that was mounted directly before, in the place of another', async () => {
    room = new TestEvictor()
    room.captures(3)
    const folder = join(room.tree.path, 'capture')
    renameSync(folder, `${folder}-on-disk`)
    room.tree.folder('capture')
    room.captures(3)
    await room.pass(10)
    room.beforeRemoval = () => {
      renameSync(folder, `${folder}-away`)
      renameSync(`${folder}-on-disk`, folder)
      room.beforeRemoval = () => {}
    }
    await room.fill(3)
    assert.equal(room.left().length, 3)
  })

  test('that is on its way to the receiver', async () => {
    await ready()
    room.underWay.add(room.tree.at('capture/f0.capture'))
    room.underWay.add(room.tree.at('capture/f2.capture'))
    await room.fill(2)
    for (const name of ['f0', 'f2']) assert.ok(room.has(`${name}.capture`), name)
    for (const name of ['f1', 'f3']) assert.ok(!room.has(`${name}.capture`), name)
  })

  test('that somebody has open for writing', async () => {
    await ready()
    room.writers = { ...nobodyWrites, open: { ...nobodyWrites.open, has: () => true } }
    await room.fill(10)
    assert.equal(room.left().length, 10)
  })

  test('that is called a capture file but has no header', async () => {
    await ready()
    for (const [name, content] of [
      ['a', 'notes of mine'],
      ['b', '\0'],
      ['c', '{}'],
    ] as const) {
      room.tree.file(`capture/${name}.capture`, content, 1e6)
    }
    await room.pass(10)
    await room.fill(13)
    assert.deepEqual(room.left(), ['a.capture', 'b.capture', 'c.capture'])
  })

  test('but capture files: no .prog, no arbitrary file, nothing set aside', async () => {
    await ready()
    const names = ['f.prog', 'f.log', 'f.capture.tmp', 'failed/f.capture', 'cam/failed/f.capture']
    for (const name of names) {
      const path = room.capture('g')
      room.tree.folder(`capture/${name.slice(0, Math.max(0, name.lastIndexOf('/')))}`)
      renameSync(path, join(room.tree.path, 'capture', name))
    }
    await room.pass(11)
    await room.fill(15)
    assert.equal(room.stats.evicted, 10)
    for (const name of names) assert.ok(room.has(name), name)
  })

  test('that was replaced since it was found', async () => {
    await ready()
    room.beforeRemoval = () => {
      renameSync(room.capture('new'), join(room.tree.path, 'capture/f0.capture'))
      room.beforeRemoval = () => {}
    }
    await room.fill(1)
    assert.ok(room.has('f0.capture'))
    assert.ok(!room.has('f1.capture'), 'the next one went in its place')
  })

  test('that a link has taken the place of, nor what the link leads to', async () => {
    await ready()
    const path = join(room.tree.path, 'capture/f0.capture')
    const precious = join(room.tree.path, 'precious.capture')
    room.beforeRemoval = () => {
      renameSync(path, precious)
      symlinkSync(precious, path)
      room.beforeRemoval = () => {}
    }
    await room.fill(1)
    assert.ok(room.has('f0.capture'))
    assert.ok(existsSync(precious))
  })

  test('of a folder that was moved out of capture_dir since, and a link put in its place', async () => {
    room = new TestEvictor()
    room.capture('cam/f0')
    room.capture('cam/f1')
    await room.pass(10)
    const folder = join(room.tree.path, 'capture/cam')
    const archive = join(room.tree.path, 'archive')
    room.beforeRemoval = () => {
      renameSync(folder, archive)
      symlinkSync(archive, folder)
      room.beforeRemoval = () => {}
    }
    await room.fill(2)
    assert.deepEqual(readdirSync(archive).sort(), ['f0.capture', 'f1.capture'])
  })

  test('that was put there a moment ago with a time from the future', async () => {
    room = new TestEvictor()
    await room.pass(20)
    room.capture('new', -3600)
    await room.fill(1)
    assert.ok(room.has('new.capture'))
    await room.pass(10)
    await room.fill(1)
    assert.ok(!room.has('new.capture'), 'it has had its chance by now')
  })

  test('that a pipe has taken the place of, which nobody waits for', async () => {
    await ready()
    const path = join(room.tree.path, 'capture/f0.capture')
    room.beforeRemoval = () => {
      rmSync(path)
      execFileSync('mkfifo', [path])
      room.beforeRemoval = () => {}
    }
    await room.fill(1)
    assert.ok(room.has('f0.capture'))
    assert.ok(!room.has('f1.capture'))
  })

  test('that got another name', async () => {
    await ready()
    room.beforeRemoval = () => {
      linkSync(join(room.tree.path, 'capture/f0.capture'), join(room.tree.path, 'second'))
      room.beforeRemoval = () => {}
    }
    await room.fill(1)
    assert.ok(room.has('f0.capture'))
  })

  test('that was emptied, or written to again', async () => {
    await ready()
    room.beforeRemoval = () => {
      writeFileSync(join(room.tree.path, 'capture/f0.capture'), '')
      const bytes = Buffer.from('more')
      writeFileSync(join(room.tree.path, 'capture/f1.capture'), bytes, { flag: 'a' })
      room.beforeRemoval = () => {}
    }
    await room.fill(1)
    assert.ok(room.has('f0.capture') && room.has('f1.capture'))
    assert.ok(!room.has('f2.capture'))
  })

  test('once the daemon is to end', async () => {
    await ready()
    room.isStopped = true
    await room.fill(10)
    assert.equal(room.left().length, 10)
    room.isStopped = false
    room.beforeRemoval = () => {
      room.isStopped = true
    }
    await room.fill(10)
    assert.equal(room.left().length, 10)
  })
})

describe('without a receiver the disk-full rule', () => {
  for (const [why, isReachable, isGateOpen] of [
    ['that answers', false, true],
    ['because it is paused', true, false],
  ] as const) {
    test(`${why} acts after ten minutes: else the newest files would be lost`, async () => {
      room = new TestEvictor()
      room.captures(3)
      room.isReachable = isReachable
      await room.pass(9, isGateOpen)
      await room.fill(1, isGateOpen)
      assert.equal(room.left().length, 3)
      await room.pass(1, isGateOpen)
      await room.fill(1, isGateOpen)
      assert.deepEqual(room.left(), ['f1.capture', 'f2.capture'])
    })
  }
})
