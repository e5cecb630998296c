import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { bytePath, bytePathFromBytes } from '../../src/base/byte-path.ts'
import { receiverDataMarker } from '../../src/base/receiver-data-marker.ts'
import { lookUpOpenWriters } from '../../src/probe/open-writers.ts'
import type { Candidate } from '../../src/scan/candidate.ts'
import { captureFile } from '../support/capture-file.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { asOrdinaryUser, ordinaryUid } from './another-user.ts'
import { nobodyWrites, ScanTree, TestScanner } from './scan-tree.ts'

let tree: ScanTree
beforeEach(() => {
  tree = new ScanTree()
})
afterEach(() => tree.remove())

const header = {
  componentType: 'rdk:component:camera',
  componentName: 'c',
  methodName: 'M',
  type: 1,
}
const capture = captureFile(header, [{ binary: Buffer.from('jpeg') }])

describe('a scan finds', () => {
  test('quiet files at any depth, with what identifies them', async () => {
    tree.file('a.log', 'four')
    tree.file('b/c/d/e.log')
    const scope = { roots: [tree.root], captureDir: tree.at('none') }
    const found = await new TestScanner().candidates(scope)
    assert.deepEqual(
      found.map(({ path, root, kind, sizeBytes }) => ({ path, root, kind, sizeBytes })),
      [
        { path: tree.at('a.log'), root: tree.root.path, kind: 'arbitrary', sizeBytes: 4 },
        { path: tree.at('b/c/d/e.log'), root: tree.root.path, kind: 'arbitrary', sizeBytes: 1 },
      ],
    )
    assert.ok(
      found.every(({ inode, device, mtimeNs }) => inode > 0n && device > 0n && mtimeNs > 0n),
    )
  })

  test('capture files at once, and no file that changed a moment ago', async () => {
    tree.file('a.capture', capture, 0)
    tree.file('a.log', 'x', 0)
    const scanner = new TestScanner()
    assert.deepEqual(await scanner.scan(tree), ['a.capture'])
    assert.equal(scanner.reasonFor(tree.at('a.log')), 'not_quiet_yet')
  })

  test('a .capture file without a header when it is quiet, as an arbitrary file', async () => {
    tree.file('young.capture', 'no header', 0)
    tree.file('old.capture', 'no header')
    const scanner = new TestScanner()
    const found = await scanner.candidates({ roots: [tree.root], captureDir: tree.root.path })
    assert.deepEqual(
      found.map(({ path, kind }) => [path, kind]),
      [[tree.at('old.capture'), 'arbitrary']],
    )
    assert.equal(scanner.reasonFor(tree.at('young.capture')), 'not_quiet_yet')
  })

  test('capture files below capture_dir only; elsewhere they are arbitrary', async () => {
    tree.file('in/a.capture', capture, 0)
    tree.file('out/a.capture', capture, 0)
    tree.file('out/b.capture', capture)
    const roots = [tree.rootAt('in'), tree.rootAt('out')]
    const found = await new TestScanner().candidates({ roots, captureDir: tree.at('in') })
    assert.deepEqual(found.map(({ path, kind }) => [path, kind]).sort(), [
      [tree.at('in/a.capture'), 'capture'],
      [tree.at('out/b.capture'), 'arbitrary'],
    ])
  })

  test('an orphaned .prog that nobody has open, and no .prog of now', async () => {
    tree.file('orphan.prog', capture, 7200)
    tree.file('live.prog', capture, 0)
    tree.file('x.progseq', 'x', 7200)
    const scanner = new TestScanner()
    const found = await scanner.candidates({ roots: [tree.root], captureDir: tree.root.path })
    assert.deepEqual(
      found.map(({ path, kind }) => [path, kind]),
      [[tree.at('orphan.prog'), 'capture']],
    )
    assert.equal(scanner.looks, 1)
    assert.equal(scanner.reasonFor(tree.at('live.prog')), 'in_progress_file')
    assert.equal(scanner.reasonFor(tree.at('x.progseq')), 'in_progress_file')
  })

  test('no .prog, however old, whose writer may be one that we must not look into', async () => {
    tree.file('orphan.prog', capture, 7200)
    tree.file('a.log')
    const scanner = new TestScanner()
    scanner.writers = { open: { ...nobodyWrites.open, blindTo: 1 }, captureRuns: true }
    assert.deepEqual(await scanner.scan(tree), ['a.log'])
    assert.equal(scanner.reasonFor(tree.at('orphan.prog')), 'in_progress_file')
  })

  test('names of any bytes, and gives the same bytes', async () => {
    const names = [
      Buffer.from([0xff, 0xfe, 0x80, 0x61]),
      Buffer.from('two\nlines'),
      Buffer.from('"quotes" and \'these\''),
      Buffer.from('Grüße 🚀'),
      Buffer.from('\u001b[31mred'),
      Buffer.from('back\\slash'),
      Buffer.from(' '),
      Buffer.from('-rf'),
      Buffer.from('n'.repeat(255)),
      Buffer.from('ü'.repeat(127)),
    ]
    for (const name of names) tree.file(name)
    const scope = { roots: [tree.root], captureDir: tree.root.path }
    const found = await new TestScanner().candidates(scope)
    const expected = names.map((name) => {
      return bytePathFromBytes(Buffer.concat([Buffer.from(`${tree.path}/`), name]))
    })
    assert.deepEqual(found.map(({ path }) => path).sort(), expected.sort())
  })

  test('folders whose names are not UTF-8', async () => {
    const folder = Buffer.concat([Buffer.from(`${tree.path}/`), Buffer.from([0xe9, 0xff])])
    mkdirSync(folder)
    const file = Buffer.concat([folder, Buffer.from('/a')])
    writeFileSync(file, 'x')
    tree.age(file, 100)
    assert.deepEqual(await new TestScanner().scan(tree), ['\xe9\xff/a'])
  })

  test('names of 255 bytes in a folder too large to be known at once', async () => {
    for (let n = 0; n < 1100; n += 1) tree.file(`${String(n).padStart(4, '0')}${'n'.repeat(251)}`)
    const scanner = new TestScanner()
    assert.equal((await scanner.scan(tree)).length, 1100)
    assert.deepEqual(scanner.notReady, [])
  })

  test('nothing in a deep path that is too long for the marker of a receiver to be looked for', async () => {
    // 4,095 bytes are the longest path: this folder can be opened, its marker cannot be named.
    let below = ''
    while (tree.path.length + below.length < 3800) below += `/${'d'.repeat(200)}`
    below += `/${'e'.repeat(4085 - tree.path.length - below.length - 1)}`
    const deep = tree.folder(below.slice(1))
    writeFileSync(`${deep}/f`, 'x')
    tree.age(`${deep}/f`, 100)
    assert.deepEqual(await new TestScanner().scan(tree), [`${below.slice(1)}/f`])
  })
})

describe('a scan leaves alone, and says so of', () => {
  const cases: readonly [string, (at: string) => void, string][] = [
    ['a symbolic link to a file', (at) => symlinkSync('/etc/passwd', at), 'symbolic_link'],
    ['a symbolic link to a folder', (at) => symlinkSync('/etc', at), 'symbolic_link'],
    ['a symbolic link to itself', (at) => symlinkSync(at, at), 'symbolic_link'],
    ['a symbolic link to the folder it is in', (at) => symlinkSync('.', at), 'symbolic_link'],
    ['a symbolic link to nothing', (at) => symlinkSync('/nothing', at), 'symbolic_link'],
    ['a pipe', (at) => execFileSync('mkfifo', [at]), 'not_a_regular_file'],
    ['an empty file', (at) => writeFileSync(at, ''), 'empty'],
    ['a folder named failed', (at) => mkdirSync(at), 'set_aside_folder'],
    ['a folder named datasetUpload', (at) => mkdirSync(at), 'set_aside_folder'],
  ]
  for (const [what, make, reason] of cases) {
    test(what, async () => {
      tree.file('good')
      const name = /named (\w+)/.exec(what)?.[1] ?? 'it'
      const at = join(tree.path, name)
      make(at)
      if (reason === 'set_aside_folder') tree.file(`${name}/inside`)
      const scanner = new TestScanner()
      assert.deepEqual(await scanner.scan(tree), ['good'])
      assert.deepEqual(scanner.notReady, [{ path: bytePath(at), reason }])
    })
  }

  test('a socket', async () => {
    const server = createServer().listen(join(tree.path, 'socket')).unref()
    await once(server, 'listening')
    const scanner = new TestScanner()
    assert.deepEqual(await scanner.scan(tree), [])
    assert.equal(scanner.reasonFor(tree.at('socket')), 'not_a_regular_file')
    server.close()
  })

  test('a file with several names, under each of them', async () => {
    tree.file('a')
    linkSync(join(tree.path, 'a'), join(tree.path, 'b'))
    const scanner = new TestScanner()
    assert.deepEqual(await scanner.scan(tree), [])
    assert.equal(scanner.reasonFor(tree.at('a')), 'several_links')
    assert.equal(scanner.reasonFor(tree.at('b')), 'several_links')
  })

  test('a receiver’s data', async () => {
    tree.file(`data/${receiverDataMarker}`)
    tree.file('data/segments/1')
    tree.file('good')
    const scanner = new TestScanner()
    assert.deepEqual(await scanner.scan(tree), ['good'])
    assert.equal(scanner.reasonFor(tree.at('data')), 'receiver_data')
  })

  test('a root that is a receiver’s data', async () => {
    tree.file(receiverDataMarker)
    tree.file('segment')
    const scanner = new TestScanner()
    assert.deepEqual(await scanner.scan(tree), [])
    assert.equal(scanner.reasonFor(tree.root.path), 'receiver_data')
  })

  test('what is taken', async () => {
    tree.file('a')
    tree.file('b')
    const scanner = new TestScanner()
    scanner.taken.add(tree.at('a'))
    assert.deepEqual(await scanner.scan(tree), ['b'])
    assert.equal(scanner.reasonFor(tree.at('a')), 'already_taken')
  })

  test('excluded names', async () => {
    tree.file('a.tmp')
    const scanner = new TestScanner()
    assert.deepEqual(await scanner.scan(tree), [])
    assert.equal(scanner.reasonFor(tree.at('a.tmp')), 'excluded')
  })

  test('a root that does not exist', async () => {
    tree.file('here/a')
    const scanner = new TestScanner()
    const roots = [tree.rootAt('missing'), tree.rootAt('here')]
    assert.deepEqual(await scanner.scan(tree, { roots }), ['here/a'])
    assert.deepEqual(scanner.notReady, [{ path: tree.at('missing'), reason: 'missing_root' }])
  })

  test('another mount', async () => {
    tree.file('sub/a')
    tree.file('mounted/a')
    const scanner = new TestScanner({ mountPoints: () => new Set([tree.at('mounted')]) })
    assert.deepEqual(await scanner.scan(tree), ['sub/a'])
    assert.equal(scanner.reasonFor(tree.at('mounted')), 'other_mount')
  })

  test('no root for being a mount itself', async () => {
    tree.file('a')
    const scanner = new TestScanner({ mountPoints: () => new Set([tree.root.path]) })
    assert.deepEqual(await scanner.scan(tree), ['a'])
  })
})

describe('a database', () => {
  for (const suffix of ['-wal', '-shm', '-journal']) {
    test(`waits while it has a ${suffix} beside it`, async () => {
      tree.file('data.db')
      tree.file(`data.db${suffix}`)
      tree.file('other.db')
      const scanner = new TestScanner()
      assert.deepEqual(await scanner.scan(tree), ['other.db'])
      assert.equal(scanner.reasonFor(tree.at('data.db')), 'sqlite_in_use')
      rmSync(join(tree.path, `data.db${suffix}`))
      assert.deepEqual(await scanner.scan(tree), ['data.db', 'other.db'])
    })
  }

  test('waits in a folder too large to be known at once, too', async () => {
    // In whichever order the folder is read: one of the journals comes before its database.
    tree.file('first.db')
    tree.file('last.db-wal')
    for (let n = 0; n < 1500; n += 1) tree.file(`f${n}.db`)
    tree.file('first.db-wal')
    tree.file('last.db')
    const scanner = new TestScanner()
    assert.equal((await scanner.scan(tree)).length, 1500)
    assert.equal(scanner.reasonFor(tree.at('first.db')), 'sqlite_in_use')
    assert.equal(scanner.reasonFor(tree.at('last.db')), 'sqlite_in_use')
  })
})

describe('files that are being written', () => {
  let writer: ChildProcess | undefined
  afterEach(async () => {
    if (writer === undefined) return
    writer.kill()
    await once(writer, 'exit')
    writer = undefined
  })

  test('are no candidates while a process has them open for writing', async () => {
    tree.file('open.log')
    tree.file('read.log')
    tree.file('closed.log')
    const program = `
      const fs = require('node:fs')
      fs.openSync('open.log', 'a'); fs.openSync('read.log', 'r')
      console.log('opened'); setInterval(() => {}, 1e6)`
    writer = spawn(process.execPath, ['-e', program], {
      cwd: tree.path,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(writer.stdout!, 'data')
    const scanner = new TestScanner()
    scanner.writers = { open: await lookUpOpenWriters(), captureRuns: false }
    assert.deepEqual(await scanner.scan(tree), ['closed.log', 'read.log'])
    assert.equal(scanner.reasonFor(tree.at('open.log')), 'being_written')
  })

  test('are looked for once for all candidates that are found together', async () => {
    for (let n = 0; n < 100; n += 1) tree.file(`f${n}`)
    const scanner = new TestScanner()
    await scanner.scan(tree)
    assert.equal(scanner.looks, 1)
  })

  test('are not looked for while nothing is ready, or only capture files are', async () => {
    tree.file('a.log', 'x', 0)
    tree.file('a.capture', capture, 0)
    const scanner = new TestScanner()
    assert.deepEqual(await scanner.scan(tree), ['a.capture'])
    assert.equal(scanner.looks, 0)
  })
})

describe('roots', () => {
  test('that lie in one another are walked once, each as itself', async () => {
    tree.file('a')
    tree.file('sub/b')
    tree.file('sub/deep/c')
    const roots = [tree.root, tree.rootAt('sub')]
    const found = await new TestScanner().candidates({ roots, captureDir: tree.at('none') })
    assert.deepEqual(found.map(({ path, root }) => [path, root]).sort(), [
      [tree.at('a'), tree.root.path],
      [tree.at('sub/b'), tree.at('sub')],
      [tree.at('sub/deep/c'), tree.at('sub')],
    ])
  })

  test('that are named twice are walked once', async () => {
    tree.file('a')
    const found = await new TestScanner().scan(tree, { roots: [tree.root, tree.root] })
    assert.deepEqual(found, ['a'])
  })

  test('that must not be worked on are not entered from the one around them', async () => {
    tree.file('a')
    tree.file('closed/b')
    const found = await new TestScanner().scan(tree, { closed: [tree.at('closed')] })
    assert.deepEqual(found, ['a'])
  })

  test('below a folder that is left alone by its name are walked', async () => {
    tree.file('failed/root/a')
    const roots = [tree.root, tree.rootAt('failed/root')]
    assert.deepEqual(await new TestScanner().scan(tree, { roots }), ['failed/root/a'])
  })

  test('take turns, so that a large one does not keep the others waiting', async () => {
    for (let n = 0; n < 40; n += 1) tree.file(`first/${n}/f`)
    tree.file('second/f')
    const order: string[] = []
    const roots = [tree.rootAt('first'), tree.rootAt('second')]
    const scope = { roots, captureDir: tree.at('none') }
    for (const { path } of await new TestScanner().candidates(scope)) order.push(path)
    assert.ok(
      order.indexOf(tree.at('second/f')) < 5,
      `came as number ${order.indexOf(tree.at('second/f'))}`,
    )
  })
})

describe('while a scan is under way', () => {
  const scope = () => ({ roots: [tree.root], captureDir: tree.at('none') })
  const fill = (folder: string, count: number) => {
    for (let n = 0; n < count; n += 1) tree.file(`${folder}/f${n}`)
  }

  test('a small folder does not wait for one of 5,000 files', async () => {
    fill('large', 5000)
    fill('small', 3)
    const order: string[] = []
    for (const { path } of await new TestScanner().candidates(scope())) order.push(path)
    assert.equal(order.length, 5003)
    const lastSmall = order.findLastIndex((path) => path.includes('/small/'))
    assert.ok(lastSmall < 1100, `the small folder was done after ${lastSmall} files`)
  })

  test('nothing is read while nobody asks for more', async () => {
    fill('a', 3000)
    let looked = 0
    const scanner = new TestScanner({
      isTaken: () => {
        looked += 1
        return false
      },
    })
    const scan = scanner.scanner.scan(scope())
    const { value } = await scan.next()
    const lookedAtFirst = looked
    assert.equal(lookedAtFirst, value.length)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(looked, lookedAtFirst)
    await scan.return(undefined)
    assert.equal(looked, lookedAtFirst)
  })

  test('giving it up closes all folders', async () => {
    for (const folder of ['a', 'b', 'c/d', 'c/e']) fill(folder, 1200)
    const scan = new TestScanner().scanner.scan(scope())
    for (let n = 0; n < 7; n += 1) await scan.next()
    assert.ok(tree.openDescriptors() > 2)
    await scan.return(undefined)
    assert.equal(tree.openDescriptors(), 0)
  })

  test('an error of whoever takes the candidates closes all folders', async () => {
    fill('a', 3000)
    await assert.rejects(async () => {
      for await (const _ of new TestScanner().scanner.scan(scope())) throw new Error('enough')
    }, /enough/)
    assert.equal(tree.openDescriptors(), 0)
  })

  test('an error of its own closes all folders', async () => {
    fill('a', 3000)
    let looks = 0
    const scanner = new TestScanner({
      lookUpWriters: async () => {
        looks += 1
        if (looks === 2) throw new Error('no /proc')
        return nobodyWrites
      },
    })
    await assert.rejects(scanner.candidates(scope()), /no \/proc/)
    assert.equal(tree.openDescriptors(), 0)
  })

  test('stopping ends it without another candidate', async () => {
    fill('a', 3000)
    fill('b', 3000)
    const scanner = new TestScanner()
    let found = 0
    for await (const batch of scanner.scanner.scan(scope())) {
      found += batch.length
      scanner.stopped = true
    }
    assert.equal(found, 512)
    assert.equal(tree.openDescriptors(), 0)
  })

  test('a stopped one finds nothing at all', async () => {
    fill('a', 10)
    const scanner = new TestScanner()
    scanner.stopped = true
    assert.deepEqual(await scanner.candidates(scope()), [])
    assert.equal(tree.openDescriptors(), 0)
  })

  test('a folder that vanishes is passed over and the rest goes on', async () => {
    fill('a', 3000)
    fill('b', 3000)
    const found = new Set<string>()
    for await (const batch of new TestScanner().scanner.scan(scope())) {
      for (const { path } of batch) found.add(path)
      if (existsSync(join(tree.path, 'a')) && existsSync(join(tree.path, 'b'))) {
        rmSync(join(tree.path, batch[0]!.path.includes('/a/') ? 'a' : 'b'), { recursive: true })
      }
    }
    const left = existsSync(join(tree.path, 'a')) ? '/a/' : '/b/'
    assert.equal([...found].filter((path) => path.includes(left)).length, 3000)
    assert.ok(found.size < 6000)
  })

  test('a folder in whose place a link appears is not entered', async () => {
    fill('first', 600)
    tree.file('outside/secret')
    for (let n = 0; n < 20; n += 1) tree.folder(`first/sub${n}`)
    const found: string[] = []
    const roots = { roots: [tree.rootAt('first')], captureDir: tree.at('none') }
    const scanner = new TestScanner()
    let swapped = false
    for await (const batch of scanner.scanner.scan(roots)) {
      found.push(...batch.map(({ path }) => path))
      if (swapped) continue
      swapped = true
      for (let n = 0; n < 20; n += 1) {
        rmSync(join(tree.path, `first/sub${n}`), { recursive: true })
        symlinkSync(join(tree.path, 'outside'), join(tree.path, `first/sub${n}`))
      }
    }
    assert.equal(found.length, 600)
    assert.deepEqual(
      found.filter((path) => path.includes('secret')),
      [],
    )
    assert.ok(scanner.notReady.some(({ reason }) => reason === 'symbolic_link'))
  })

  for (const target of ['another folder', 'where the folder is now'] as const) {
    test(`a folder above it may be replaced by a link to ${target}: no more is read`, async () => {
      fill('root/cam/day', 3000)
      fill('outside/day', target === 'another folder' ? 3000 : 0)
      const scope = { roots: [tree.rootAt('root')], captureDir: tree.at('none') }
      let found = 0
      for await (const batch of new TestScanner().scanner.scan(scope)) {
        if (found === 0) {
          const moved = join(tree.path, 'moved')
          renameSync(join(tree.path, 'root/cam'), moved)
          const to = target === 'another folder' ? join(tree.path, 'outside') : moved
          symlinkSync(to, join(tree.path, 'root/cam'))
        }
        found += batch.length
      }
      // The names that had been read by then; workers compare what they open with what was found.
      assert.ok(found <= 1024, `${found} files`)
    })
  }

  test('a file that takes the place of a folder does not disturb it', async () => {
    fill('a', 1100)
    tree.folder('a/sub')
    const found: string[] = []
    let swapped = false
    for await (const batch of new TestScanner().scanner.scan(scope())) {
      found.push(...batch.map(({ path }) => path))
      if (swapped) continue
      swapped = true
      rmSync(join(tree.path, 'a/sub'), { recursive: true })
      tree.file('a/sub')
    }
    assert.equal(found.filter((path) => path.startsWith(tree.at('a/f'))).length, 1100)
  })

  test('what was quiet when it began is judged by the time it is looked at', async () => {
    const clock = new FakeClock()
    clock.setWall(Date.now())
    fill('a', 600)
    const scanner = new TestScanner({ clock })
    const scan = scanner.scanner.scan(scope())
    const first: readonly Candidate[] = (await scan.next()).value
    assert.equal(first.length, 512)
    const taken = new Set<string>(first.map(({ path }) => path))
    // Hours pass while nobody takes more: what was of the future when it began is old by now.
    for (let n = 0; n < 600; n += 1) {
      if (!taken.has(tree.at(`a/f${n}`))) tree.age(join(tree.path, `a/f${n}`), -3600)
    }
    await clock.advance(7_200_000)
    let found = 0
    for await (const batch of scan) found += batch.length
    assert.equal(found, 88)
    assert.deepEqual(scanner.notReady, [])
  })
})

describe('a folder in which nothing can become ready', () => {
  /** Counts the files that are looked at. */
  class Counting extends TestScanner {
    looked = 0
    readonly clock: FakeClock

    constructor(clock = new FakeClock()) {
      super({
        clock,
        isTaken: (path) => {
          this.looked += 1
          return this.taken.has(path)
        },
      })
      this.clock = clock
      clock.setWall(Date.now())
    }

    async count(): Promise<number> {
      this.looked = 0
      await this.candidates({ roots: [tree.root], captureDir: tree.at('none') })
      return this.looked
    }
  }

  test('is not read again before its time', async () => {
    for (let n = 0; n < 10; n += 1) tree.file(`a/f${n}`, 'x', 4)
    tree.age(join(tree.path, 'a'), 60)
    const scanner = new Counting()
    assert.equal(await scanner.count(), 10)
    assert.equal(await scanner.count(), 0)
    await scanner.clock.advance(5000)
    assert.equal(await scanner.count(), 0)
    await scanner.clock.advance(1500)
    assert.equal(await scanner.count(), 10)
  })

  test('is read again at once when a file comes', async () => {
    tree.file('a/f', 'x', 1)
    tree.age(join(tree.path, 'a'), 60)
    const scanner = new Counting()
    assert.equal(await scanner.count(), 1)
    assert.equal(await scanner.count(), 0)
    tree.file('a/g', 'x', 1)
    assert.equal(await scanner.count(), 2)
  })

  test('is read again when a file came and the folder was given its old mtime back', async () => {
    tree.file('a/f', 'x', 1)
    utimesSync(join(tree.path, 'a'), 1e9, 1e9)
    const scanner = new Counting()
    await scanner.count()
    assert.equal(await scanner.count(), 0)
    tree.file('a/g', 'x', 1)
    utimesSync(join(tree.path, 'a'), 1e9, 1e9)
    assert.equal(await scanner.count(), 2)
  })

  test('is read every time when it has folders in it', async () => {
    tree.file('a/f', 'x', 1)
    tree.folder('a/sub')
    for (const folder of ['a', 'a/sub']) tree.age(join(tree.path, folder), 60)
    const scanner = new Counting()
    assert.equal(await scanner.count(), 1)
    assert.equal(await scanner.count(), 1)
  })

  test('that has changed a moment ago is read again: more may have come in the same tick', async () => {
    tree.file('a/f', 'x', 1)
    const scanner = new Counting()
    assert.equal(await scanner.count(), 1)
    assert.equal(await scanner.count(), 1)
  })

  test('hides nothing for ever: after ten minutes even an empty folder is read', async () => {
    tree.file('a/f.tmp')
    tree.age(join(tree.path, 'a'), 60)
    const scanner = new Counting()
    assert.equal(await scanner.count(), 1)
    await scanner.clock.advance(599_000)
    assert.equal(await scanner.count(), 0)
    await scanner.clock.advance(2000)
    assert.equal(await scanner.count(), 1)
  })

  for (const what of ['taken', 'held by several names', 'ready'] as const) {
    test(`is not one that has a file which is ${what}`, async () => {
      tree.file('a/f')
      if (what === 'held by several names') {
        linkSync(join(tree.path, 'a/f'), join(tree.path, 'link'))
      }
      tree.age(join(tree.path, 'a'), 60)
      const scanner = new Counting()
      if (what === 'taken') scanner.taken.add(tree.at('a/f'))
      await scanner.count()
      await scanner.clock.advance(what === 'held by several names' ? 10_000 : 0)
      assert.ok((await scanner.count()) > 0)
    })
  }
})

describe('a file with a wrong time', () => {
  test('in the future becomes ready when it has been seen unchanged for the quiet time', async () => {
    const clock = new FakeClock()
    clock.setWall(Date.now())
    tree.file('a', 'x', -86_400)
    const scanner = new TestScanner({ clock })
    assert.deepEqual(await scanner.scan(tree), [])
    await clock.advance(9_000)
    assert.deepEqual(await scanner.scan(tree), [])
    await clock.advance(1_000)
    assert.deepEqual(await scanner.scan(tree), ['a'])
  })

  test('in the future starts afresh when it changes', async () => {
    const clock = new FakeClock()
    clock.setWall(Date.now())
    tree.file('a', 'x', -86_400)
    const scanner = new TestScanner({ clock })
    await scanner.scan(tree)
    await clock.advance(9_000)
    tree.file('a', 'xy', -86_400)
    await scanner.scan(tree)
    await clock.advance(9_000)
    assert.deepEqual(await scanner.scan(tree), [])
    await clock.advance(1_000)
    assert.deepEqual(await scanner.scan(tree), ['a'])
  })

  test('is not taken for quiet when the clock was set forward a moment after it was written', async () => {
    const clock = new FakeClock()
    clock.setWall(Date.now())
    const scanner = new TestScanner({ clock })
    await scanner.scan(tree)
    tree.file('a', 'x', 1)
    clock.setWall(Date.now() + 365 * 86_400_000)
    assert.deepEqual(await scanner.scan(tree), [])
    await clock.advance(10_000)
    assert.deepEqual(await scanner.scan(tree), ['a'])
  })

  test('becomes one of the future when the clock is set back, and ready all the same', async () => {
    const clock = new FakeClock()
    clock.setWall(Date.now())
    const scanner = new TestScanner({ clock })
    tree.file('a', 'x', 1)
    await scanner.scan(tree)
    clock.setWall(Date.now() - 365 * 86_400_000)
    assert.deepEqual(await scanner.scan(tree), [])
    await clock.advance(10_000)
    assert.deepEqual(await scanner.scan(tree), ['a'])
  })
})

describe('a scan that takes its time', () => {
  /** Every look at this clock takes a while. */
  class TickingClock extends FakeClock {
    workedMs = 0
    sleptMs = 0
    readonly #tickMs: number

    constructor(tickMs: number) {
      super()
      this.#tickMs = tickMs
    }

    override monotonicMs(): number {
      this.workedMs += this.#tickMs
      return super.monotonicMs() + this.workedMs
    }

    override async sleep(delayMs: number): Promise<void> {
      this.sleptMs += delayMs
    }
  }

  const fresh = (count: number) => {
    for (let n = 0; n < count; n += 1) tree.file(`fresh/f${n}`, 'x', 0)
  }

  test('rests for nineteen twentieths of it while it finds nothing', async () => {
    const clock = new TickingClock(0.1)
    clock.setWall(Date.now())
    fresh(1500)
    await new TestScanner({ clock, restWhenIdle: true }).scan(tree)
    assert.ok(clock.workedMs > 150)
    const share = clock.workedMs / (clock.workedMs + clock.sleptMs)
    assert.ok(share < 0.055, `it worked for ${share} of the time`)
  })

  test('does not rest where nobody asked it to', async () => {
    const clock = new TickingClock(1)
    clock.setWall(Date.now())
    fresh(500)
    await new TestScanner({ clock, restWhenIdle: false }).scan(tree)
    assert.equal(clock.sleptMs, 0)
  })

  test('hands out what it has found after a second, however much there is to look at', async () => {
    const clock = new TickingClock(1)
    clock.setWall(Date.now())
    fresh(2000)
    tree.file('ready/f')
    let looked = 0
    const scanner = new TestScanner({
      clock,
      onNotReady: () => {
        looked += 1
      },
    })
    const roots = [tree.rootAt('ready'), tree.rootAt('fresh')]
    const scan = scanner.scanner.scan({ roots, captureDir: tree.at('none') })
    const { value } = await scan.next()
    assert.deepEqual(
      value.map(({ path }: Candidate) => path),
      [tree.at('ready/f')],
    )
    assert.ok(looked < 1900, `after ${looked} others`)
    await scan.return(undefined)
  })
})

describe('a scan by an ordinary user', () => {
  /** Candidates and reasons of one scan, by names below the tree. */
  const scanAsUser = (): { found: string[]; reasons: Record<string, string> } => {
    return asOrdinaryUser(`
      const { Scanner } = await src('scan/scanner.ts')
      const { systemClock } = await src('base/clock.ts')
      const root = ${JSON.stringify(tree.path)}
      const reasons = {}
      const scanner = new Scanner({
        clock: systemClock, quietMs: 1000, isExcluded: () => false, isTaken: () => false,
        lookUpWriters: async () => ({ open: { has: () => false, blindTo: 0, takenAtMs: 0 }, captureRuns: false }),
        onNotReady: (path, reason) => { reasons[path.slice(root.length + 1)] = reason },
        restWhenIdle: false, isStopped: () => false,
      })
      const found = []
      const scope = { roots: [{ path: root, configured: root }], captureDir: root }
      for await (const batch of scanner.scan(scope)) {
        for (const { path } of batch) found.push(path.slice(root.length + 1))
      }
      console.log(JSON.stringify({ found: found.sort(), reasons }))`) as {
      found: string[]
      reasons: Record<string, string>
    }
  }
  const own = (...names: string[]) => {
    for (const name of names) chownSync(join(tree.path, name), ordinaryUid, process.getegid!())
  }

  test('reports folders and files that may not be read, and goes on', () => {
    for (const folder of ['closed', 'good', 'nosearch']) tree.file(`${folder}/f`)
    tree.file('good/secret')
    tree.file('good/secret.capture', capture)
    own('closed', 'closed/f', 'good', 'good/f', 'good/secret', 'good/secret.capture', 'nosearch')
    chmodSync(join(tree.path, 'good/secret'), 0o200)
    chmodSync(join(tree.path, 'good/secret.capture'), 0o200)
    chmodSync(join(tree.path, 'closed'), 0o000)
    chmodSync(join(tree.path, 'nosearch'), 0o400)
    const { found, reasons } = scanAsUser()
    assert.deepEqual(found, ['good/f'])
    assert.equal(reasons.closed, 'unreadable')
    assert.equal(reasons['good/secret'], 'unreadable')
    assert.equal(reasons['good/secret.capture'], 'unreadable')
    assert.ok(Object.keys(reasons).some((name) => name.startsWith('nosearch')))
    for (const name of ['closed', 'nosearch']) chmodSync(join(tree.path, name), 0o755)
  })

  test('takes nothing from a folder that is read-only, and nothing of others from a sticky one', () => {
    for (const name of ['readonly/f', 'sticky/mine', 'good/f']) tree.file(name)
    own('readonly', 'readonly/f', 'sticky/mine', 'good', 'good/f')
    chmodSync(join(tree.path, 'readonly'), 0o555)
    const isRoot = process.geteuid!() === 0
    if (isRoot) tree.file('sticky/theirs')
    chmodSync(join(tree.path, 'sticky'), 0o1777)
    const { found, reasons } = scanAsUser()
    assert.deepEqual(found, ['good/f', 'sticky/mine'])
    assert.equal(reasons['readonly/f'], 'not_removable')
    if (isRoot) assert.equal(reasons['sticky/theirs'], 'not_removable')
    chmodSync(join(tree.path, 'readonly'), 0o755)
  })

  test('finds a file again once its rights are mended', () => {
    tree.file('good/f')
    own('good', 'good/f')
    chmodSync(join(tree.path, 'good/f'), 0o000)
    assert.deepEqual(scanAsUser().found, [])
    chmodSync(join(tree.path, 'good/f'), 0o600)
    assert.deepEqual(scanAsUser().found, ['good/f'])
  })
})

test('an immutable file is no candidate, where the file system knows such', async (t) => {
  tree.remove()
  tree = new ScanTree(tmpdir())
  tree.file('fixed')
  tree.file('good')
  const fixed = join(tree.path, 'fixed')
  try {
    execFileSync('chattr', ['+i', fixed], { stdio: 'ignore' })
  } catch {
    return t.diagnostic('no immutable files can be made here')
  }
  try {
    const scanner = new TestScanner()
    assert.deepEqual(await scanner.scan(tree), ['good'])
    assert.equal(scanner.reasonFor(tree.at('fixed')), 'not_removable')
  } finally {
    execFileSync('chattr', ['-i', fixed])
  }
  unlinkSync(fixed)
})
