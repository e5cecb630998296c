import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { blake3 } from '../../src/base/hash.ts'
import { FaultyLink } from '../support/faulty-link.ts'
import { MisbehavingReceiver } from '../support/misbehaving-receiver.ts'
import { runWhere, SmallDisk } from '../support/small-disk.ts'
import { MachineDaemon } from './machine-daemon.ts'
import { capture } from './machine-device.ts'

/** What is being synced is moved, replaced and removed while it is synced. */

const MiB = 1024 * 1024

let receiver: MisbehavingReceiver
let link: FaultyLink
let daemon: MachineDaemon
let files: string[]

before(async () => {
  receiver = await MisbehavingReceiver.start()
  link = await FaultyLink.open(receiver.port)
})
after(async () => {
  await link.close()
  await receiver.close()
})
beforeEach(() => {
  daemon = new MachineDaemon({
    app_address: `https://localhost:${link.port}`,
    id: 'robot',
    secret: 'secret',
    ca_pem: receiver.caPem,
  })
  files = [1, 2, 3, 4, 5].map((n) => daemon.put(`sub/f${n}.capture`))
})
afterEach(async () => {
  await daemon.close()
  await link.heal()
})

/** What has arrived of this path: the hash of each version. */
function arrived(path: string): readonly string[] {
  return receiver.files.filter(({ file }) => file.path === path).map(({ digest }) => digest)
}

function hashesOf(paths: readonly string[]): readonly string[] {
  return paths.map((path) => blake3(readFileSync(path)))
}

async function untilGone(paths: readonly string[]): Promise<void> {
  await daemon.until(`${paths} are removed`, () => !paths.some((path) => existsSync(path)))
}

/** When the next upload is stored, directly before the device hears of it, this happens. */
function beforeTheAnswer(happens: () => void): Promise<void> {
  return new Promise((resolve) => {
    receiver.next({
      does: 'outcomes',
      change: (truth) => {
        happens()
        resolve()
        return truth
      },
    })
  })
}

/** Starts the upload of a large file, and resolves in the middle of it. */
async function inMidUpload(name: string): Promise<string> {
  link.set({ upBytesPerSecond: 4 * MiB })
  const path = daemon.put(name, 8 * MiB)
  const isHalfWay = () => receiver.seen.some(({ bodyBytes, closed }) => bodyBytes > MiB && !closed)
  await daemon.start()
  await daemon.until('half of it has gone', isHalfWay)
  return path
}

describe('invariant 3: nothing is lost, removed wrongly or stored twice when a root', () => {
  test('vanishes while its files are stored, and comes back', async () => {
    const hashes = hashesOf(files)
    const away = `${daemon.captureDir}-away`
    const vanished = beforeTheAnswer(() => renameSync(daemon.captureDir, away))
    await daemon.start()
    await vanished
    await daemon.until('it is missed', () => daemon.logged('root_missing').length > 0)
    assert.equal(readdirSync(join(away, 'sub')).length, files.length)
    renameSync(away, daemon.captureDir)
    await untilGone(files)
    assert.deepEqual(
      files.map(arrived),
      hashes.map((hash) => [hash]),
    )
    await daemon.end()
  })

  test('is replaced by a folder with files of the same names', async () => {
    const hashes = hashesOf(files)
    const away = `${daemon.captureDir}-away`
    let newHashes: readonly string[] = []
    const replaced = beforeTheAnswer(() => {
      renameSync(daemon.captureDir, away)
      for (const [n] of files.entries()) daemon.put(`sub/f${n + 1}.capture`)
      newHashes = hashesOf(files)
    })
    await daemon.start()
    await replaced
    await untilGone(files)
    for (const [n, path] of files.entries()) {
      assert.deepEqual([...arrived(path)].sort(), [hashes[n], newHashes[n]].sort())
    }
    assert.deepEqual(hashesOf(files.map((path) => path.replace(daemon.captureDir, away))), hashes)
    await daemon.end()
  })

  test('is replaced by a link to a folder that must not be a root', async () => {
    const away = `${daemon.captureDir}-away`
    const hashes = hashesOf(files)
    const replaced = beforeTheAnswer(() => {
      renameSync(daemon.captureDir, away)
      // With the config file in it.
      symlinkSync(daemon.top, daemon.captureDir)
      mkdirSync(join(daemon.top, 'sub'))
      for (const path of files) writeFileSync(path, capture(1000))
    })
    await daemon.start()
    await replaced
    await daemon.until('it is told', () => daemon.logged('root_unsafe').length > 0)
    await daemon.aWhile()
    assert.equal(readdirSync(join(daemon.top, 'sub')).length, files.length)
    assert.deepEqual(
      files.map(arrived),
      hashes.map((hash) => [hash]),
    )
    rmSync(daemon.captureDir)
    renameSync(away, daemon.captureDir)
    await untilGone(files)
    assert.equal(readdirSync(join(daemon.top, 'sub')).length, files.length)
    await daemon.end()
  })

  test('is replaced by a file', async () => {
    const away = `${daemon.captureDir}-away`
    const replaced = beforeTheAnswer(() => {
      renameSync(daemon.captureDir, away)
      writeFileSync(daemon.captureDir, 'a file')
    })
    await daemon.start()
    await replaced
    await daemon.until('it is told', () => daemon.logged('root_unreadable').length > 0)
    rmSync(daemon.captureDir)
    renameSync(away, daemon.captureDir)
    await untilGone(files)
    assert.ok(files.every((path) => arrived(path).length === 1))
    await daemon.end()
  })

  test('is on a disk that is mounted late, goes away, and comes back', async () => {
    const hashes = hashesOf(files)
    const disk = `${daemon.captureDir}-disk`
    renameSync(daemon.captureDir, disk)
    mkdirSync(daemon.captureDir)
    // Where nobody but root may mount, the folder itself comes and goes.
    const isReal = SmallDisk.isReal
    const mount = () => {
      if (isReal) return runWhere(daemon.pid, 'mount', '--bind', disk, daemon.captureDir)
      rmSync(daemon.captureDir, { recursive: true })
      renameSync(disk, daemon.captureDir)
    }
    const unmount = () => {
      if (isReal) return runWhere(daemon.pid, 'umount', '--lazy', daemon.captureDir)
      renameSync(daemon.captureDir, disk)
      mkdirSync(daemon.captureDir)
    }
    const onDisk = files.map((path) => path.replace(daemon.captureDir, disk))
    const gone = beforeTheAnswer(unmount)
    await daemon.start(isReal ? { launcher: ['unshare', '-rm'] } : {})
    mount()
    await gone
    await daemon.aWhile(5)
    assert.deepEqual(hashesOf(onDisk), hashes)
    mount()
    await untilGone([...files, ...onDisk])
    assert.deepEqual(
      files.map(arrived),
      hashes.map((hash) => [hash]),
    )
    await daemon.end()
  })

  test('vanishes in the middle of a large upload, and comes back', async () => {
    const large = await inMidUpload('sub/large.capture')
    const [hash] = hashesOf([large])
    const away = `${daemon.captureDir}-away`
    renameSync(daemon.captureDir, away)
    await daemon.until('it is missed', () => daemon.logged('root_missing').length > 0)
    renameSync(away, daemon.captureDir)
    await link.heal()
    await untilGone([large, ...files])
    assert.deepEqual(arrived(large), [hash])
    await daemon.end()
  })
})

describe('The daemon goes on, and nothing is stored in part, when', () => {
  /** What is captured from now on arrives. */
  async function goesOn(): Promise<void> {
    await link.heal()
    const next = [daemon.put('again/a.capture'), daemon.put('again/b.capture', 2 * MiB)]
    const hashes = hashesOf(next)
    await untilGone(next)
    assert.deepEqual(
      next.map(arrived),
      hashes.map((hash) => [hash]),
    )
    await daemon.end()
  }

  test('capture_dir is removed with all that is in it', async () => {
    const large = await inMidUpload('sub/large.capture')
    rmSync(daemon.captureDir, { recursive: true })
    await daemon.until('it is missed', () => daemon.logged('root_missing').length > 0)
    await daemon.until('the upload has ended', () => receiver.seen.every(({ closed }) => closed))
    assert.deepEqual(arrived(large), [])
    mkdirSync(daemon.captureDir)
    await goesOn()
  })

  test('capture_dir is removed and made again before anybody has looked', async () => {
    const large = await inMidUpload('sub/large.capture')
    rmSync(daemon.captureDir, { recursive: true })
    mkdirSync(daemon.captureDir)
    await daemon.until('the upload has ended', () => receiver.seen.every(({ closed }) => closed))
    assert.deepEqual(arrived(large), [])
    await goesOn()
  })

  test('a folder is removed while its files are sent', async () => {
    const large = await inMidUpload('day/1/large.capture')
    const more = Array.from({ length: 200 }, (_, n) => daemon.put(`day/${n}/f.capture`))
    rmSync(dirname(dirname(large)), { recursive: true })
    await daemon.until('the upload has ended', () => receiver.seen.every(({ closed }) => closed))
    assert.deepEqual(arrived(large), [])
    assert.ok(more.every((path) => arrived(path).length <= 1))
    assert.deepEqual(daemon.logged('file_held'), [])
    await goesOn()
    assert.ok(files.every((path) => arrived(path).length === 1))
  })

  test('a file is cut off in the middle of its upload', async () => {
    const large = await inMidUpload('large.capture')
    const [whole] = hashesOf([large])
    truncateSync(large, 3 * MiB)
    const [cut] = hashesOf([large])
    await link.heal()
    await untilGone([large])
    assert.deepEqual(arrived(large), [cut])
    assert.notEqual(cut, whole)
    await goesOn()
  })

  test('the folder of a file is empty, and goes, while the file is stored', async () => {
    const gone = beforeTheAnswer(() => {
      for (const path of files) rmSync(path)
      rmdirSync(dirname(files[0]!))
    })
    await daemon.start()
    await gone
    await daemon.aWhile(5)
    assert.ok(files.every((path) => arrived(path).length === 1))
    await goesOn()
  })
})
