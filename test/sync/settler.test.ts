import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type BytePath, bytePath, fsPath } from '../../src/base/byte-path.ts'
import type { Candidate, FileKind } from '../../src/scan/candidate.ts'
import type { Writers } from '../../src/scan/writers-rule.ts'
import { HeldFiles } from '../../src/sync/held-files.ts'
import { Settler } from '../../src/sync/settler.ts'
import { SyncStats } from '../../src/sync/sync-stats.ts'
import type { FileResult } from '../../src/wire/thread-messages.ts'
import { asOrdinaryUser, ordinaryUid } from '../scan/another-user.ts'
import { nobodyWrites, ScanTree } from '../scan/scan-tree.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { storedFile } from '../support/fake-transport.ts'
import { candidateAt, imaginaries } from './candidates.ts'
import { TestLog } from './test-log.ts'

let tree: ScanTree
let clock: FakeClock
let log: TestLog
let stats: SyncStats
let held: HeldFiles
let settler: Settler
let emptied: BytePath[]
let looks: number
let lookUp: (notBeforeMs: number) => Promise<Writers>
let writersGoodForMs: number
beforeEach(() => {
  tree = new ScanTree()
  clock = new FakeClock()
  log = new TestLog()
  stats = new SyncStats()
  held = new HeldFiles()
  emptied = []
  looks = 0
  lookUp = async () => nobodyWrites
  writersGoodForMs = 1000
  settler = new Settler({
    clock,
    captureDir: () => tree.at('capture'),
    lookUpWriters: (notBeforeMs) => {
      looks += 1
      return lookUp(notBeforeMs)
    },
    get writersGoodForMs() {
      return writersGoodForMs
    },
    held,
    emptied: { removedFrom: (folder) => emptied.push(folder) },
    stats,
    log,
    random: () => 1,
  })
})
afterEach(() => tree.remove())

function make(name: string, kind: FileKind = 'arbitrary'): Candidate {
  tree.file(name, `content of ${name}`)
  return candidateAt(tree.at(name), kind)
}
const isThere = ({ path }: Candidate) => existsSync(fsPath(path))
const whyFile = (name: string) => {
  return JSON.parse(readFileSync(join(tree.path, `${name}.why.json`), 'utf8'))
}
const settle = (candidate: Candidate, result: FileResult) => {
  return settler.settle([candidate], { files: [result], failure: undefined })
}
const lookTakenAt = (takenAtMs: number): Writers => {
  return { ...nobodyWrites, open: { ...nobodyWrites.open, takenAtMs } }
}
const openFor = (candidate: Candidate): Writers => {
  const has = (device: bigint, inode: bigint) =>
    device === candidate.device && inode === candidate.inode
  return { open: { has, blindTo: 0, takenAtMs: 0 }, captureRuns: false }
}

describe('settling a file', () => {
  test('removes what is stored, and counts it', async () => {
    const a = make('a')
    assert.deepEqual(await settle(a, storedFile(a)), [])
    assert.equal(isThere(a), false)
    assert.deepEqual(emptied, [tree.path])
    assert.deepEqual(
      { ...stats },
      { ...new SyncStats(), stored: 1, removed: 1, bytes: a.sizeBytes },
    )
    assert.deepEqual(log.lines, [])
  })

  test('removes what was already stored, and counts that apart', async () => {
    const a = make('a')
    const stored = storedFile(a) as FileResult & { status: 'answered' }
    await settle(a, { ...stored, outcome: { ...stored.outcome, status: 'already_stored' } })
    assert.equal(isThere(a), false)
    assert.deepEqual([stats.stored, stats.alreadyStored], [0, 1])
  })

  test('gives back the files that were not sent, and only those', async () => {
    const [a, b, c] = [make('a'), make('b'), make('c')]
    const files: FileResult[] = [storedFile(a), { status: 'not_sent' }, { status: 'gone' }]
    assert.deepEqual(await settler.settle([a, b, c], { files, failure: undefined }), [b])
    assert.deepEqual([a, b, c].map(isThere), [false, true, true])
    assert.equal(held.size, 0)
  })

  test('gives back the files that a result does not mention', async () => {
    const [a, b] = [make('a'), make('b')]
    const files = [storedFile(a)]
    assert.deepEqual(await settler.settle([a, b], { files, failure: undefined }), [b])
  })

  test('invariant 1: keeps a file whose hash or size the receiver has otherwise', async () => {
    const a = make('a')
    const stored = storedFile(a) as FileResult & { status: 'answered' }
    for (const wrong of [{ digest: '0'.repeat(64) }, { sizeBytes: 1 }]) {
      await settle(a, { ...stored, outcome: { ...stored.outcome, ...wrong } })
      assert.equal(isThere(a), true)
    }
    assert.equal(held.attempts(a), 2)
    assert.deepEqual([stats.stored, stats.removed, stats.retried], [0, 0, 2])
  })

  test('invariant 1: keeps a file that changed while it was sent; the next scan decides', async () => {
    const a = make('a')
    const stored = storedFile(a)
    appendFileSync(fsPath(a.path), 'more')
    await settle(a, stored)
    assert.equal(isThere(a), true)
    assert.equal(held.isHeld(a.path, clock.monotonicMs()), false)
    assert.equal(settler.owes(candidateAt(a.path)), false)
    assert.equal(stats.keptAfterUpload, 1)
  })

  test('invariant 1: keeps a file that somebody has open for writing, and removes it once closed', async () => {
    const a = make('a')
    lookUp = async () => openFor(a)
    await settle(a, storedFile(a))
    assert.equal(isThere(a), true)
    assert.equal(settler.owes(a), true)
    assert.equal(held.isHeld(a.path, clock.monotonicMs()), true)
    await clock.advance(2000)
    lookUp = async () => nobodyWrites
    await settler.removeOwed([a])
    assert.equal(isThere(a), false)
    assert.equal(settler.owes(a), false)
    assert.equal(held.size, 0)
    assert.deepEqual([stats.stored, stats.removed, stats.retried], [1, 1, 0])
  })

  test('invariant 1: keeps a file that changed after it was stored and could not go', async () => {
    const a = make('a')
    lookUp = async () => openFor(a)
    await settle(a, storedFile(a))
    writeFileSync(fsPath(a.path), `CONTENT of a`)
    tree.age(fsPath(a.path), 3600)
    lookUp = async () => nobodyWrites
    await clock.advance(2000)
    await settler.removeOwed([a, candidateAt(a.path)])
    assert.equal(isThere(a), true)
    assert.equal(readFileSync(fsPath(a.path), 'utf8'), 'CONTENT of a')
    assert.equal(settler.owes(candidateAt(a.path)), false)
    assert.equal(held.isHeld(a.path, clock.monotonicMs()), false, 'the next scan takes it up')
  })

  test('invariant 1: keeps everything while nobody can be asked who writes', async () => {
    const a = make('a')
    const b = make('b.capture', 'capture')
    lookUp = async () => {
      throw Object.assign(new Error('no /proc'), { code: 'EACCES' })
    }
    const files = [storedFile(a), storedFile(b)]
    assert.deepEqual(await settler.settle([a, b], { files, failure: undefined }), [])
    assert.deepEqual([isThere(a), isThere(b)], [true, false])
    assert.equal(settler.owes(a), true)
  })

  test('invariant 1: looks who writes before it removes an orphaned .prog', async () => {
    const prog = make('a.prog', 'capture')
    lookUp = async () => openFor(prog)
    await settle(prog, storedFile(prog))
    assert.equal(isThere(prog), true)
    lookUp = async () => ({ open: { ...nobodyWrites.open, blindTo: 3 }, captureRuns: true })
    await clock.advance(2000)
    await settler.removeOwed([prog])
    assert.equal(isThere(prog), true)
    lookUp = async () => nobodyWrites
    await clock.advance(2000)
    await settler.removeOwed([prog])
    assert.equal(isThere(prog), false)
  })

  test('does not look who writes for capture files', async () => {
    const a = make('a.capture', 'capture')
    await settle(a, storedFile(a))
    assert.equal(isThere(a), false)
    assert.equal(looks, 0)
  })

  test('looks who writes once for all files of a second', async () => {
    lookUp = async () => lookTakenAt(clock.monotonicMs())
    const files = Array.from({ length: 50 }, (_, n) => make(`f${n}`))
    await settler.settle(files, { files: files.map(storedFile), failure: undefined })
    assert.equal(looks, 1)
    const [late, later] = [make('late'), make('later')]
    await clock.advance(1000)
    await settle(late, storedFile(late))
    assert.equal(looks, 1)
    await clock.advance(1)
    await settle(later, storedFile(later))
    assert.equal(looks, 2)
  })

  for (const [name, quietMs, goodForMs] of [
    ['a second', 10_000, 1000],
    ['the quiet time', 300, 300],
  ] as const) {
    test(`invariant 1: trusts no look that is older than ${name}, whoever asked for it`, async () => {
      writersGoodForMs = Math.min(1000, quietMs)
      const others = clock.monotonicMs()
      const askedFor: number[] = []
      lookUp = async (notBeforeMs) => {
        askedFor.push(notBeforeMs - others)
        return lookTakenAt(others)
      }
      await clock.advance(goodForMs - 100)
      const [now, soon, late] = [make('now'), make('soon'), make('late')]
      await settle(now, storedFile(now))
      await clock.advance(100)
      await settle(soon, storedFile(soon))
      assert.equal(looks, 1)
      await clock.advance(1)
      lookUp = async (notBeforeMs) => {
        askedFor.push(notBeforeMs - others)
        return openFor(late)
      }
      await settle(late, storedFile(late))
      assert.equal(looks, 2)
      assert.deepEqual(askedFor, [-100, 1])
      assert.equal(isThere(late), true)
    })
  }

  test('gets on where a look takes longer than it is good for', async () => {
    lookUp = async () => {
      await clock.sleep(3000)
      return nobodyWrites
    }
    const files = Array.from({ length: 20 }, (_, n) => make(`f${n}`))
    const done = settler.settle(files, { files: files.map(storedFile), failure: undefined })
    await clock.advance(3000)
    await done
    assert.equal(looks, 1)
    assert.equal(stats.removed, 20)
    const [soon, late] = [make('soon'), make('late')]
    await clock.advance(500)
    await settle(soon, storedFile(soon))
    assert.equal(looks, 1)
    await clock.advance(1)
    lookUp = async () => openFor(late)
    await settle(late, storedFile(late))
    assert.equal(isThere(late), true)
  })

  test('holds a file that cannot be read, and says so', async () => {
    const a = make('a')
    await settle(a, { status: 'unreadable', errno: 'EIO' })
    assert.equal(held.isHeld(a.path, clock.monotonicMs()), true)
    assert.equal(stats.retried, 1)
    assert.match(log.lines[0]!.message, /EIO/)
  })

  test('forgets earlier failures of a file that has changed or is gone', async () => {
    for (const status of ['changed', 'gone'] as const) {
      const a = make('a')
      await settle(a, { status: 'unreadable', errno: 'EIO' })
      await settle(a, { status })
      assert.equal(held.attempts(a), 0)
    }
  })

  test('sets a file aside whose name the receiver turns down a third time, not before', async () => {
    const a = make('logs/a')
    const stored = storedFile(a) as FileResult & { status: 'answered' }
    const outcome = { ...stored.outcome, status: 'rejected', reason: 'name_not_allowed' } as const
    for (let n = 0; n < 2; n += 1) await settle(a, { ...stored, outcome })
    assert.equal(isThere(a), true)
    assert.equal(held.isHeld(a.path, clock.monotonicMs()), true)
    await settle(a, { ...stored, outcome })
    assert.deepEqual(readdirSync(join(tree.path, 'logs')), ['failed'])
    assert.deepEqual([stats.rejected, stats.quarantined, stats.stored], [3, 1, 0])
    assert.deepEqual(log.events.at(-1), 'file_quarantined')
    assert.equal(log.lines.at(-1)!.fields?.code, 'name_not_allowed')
    assert.equal(whyFile('logs/failed/a').code, 'name_not_allowed')
    assert.equal(whyFile('logs/failed/a').attempts, 3)
    assert.deepEqual(emptied, [], 'nothing was removed')
  })

  test('says beside a file that is set aside for its message how often it was tried', () => {
    const a = make('logs/a')
    for (let n = 0; n < 2; n += 1) settler.retryLater(a, 'the receiver said 422')
    settler.setAside(a, 'the receiver said 422')
    const { code, why, attempts, at } = whyFile('logs/failed/a')
    assert.deepEqual([code, why, attempts], ['message_refused', 'the receiver said 422', 3])
    assert.equal(at, new Date(clock.wallMs()).toISOString())
    assert.equal(held.size, 0)
  })

  test('invariant 8: says why a file cannot be set aside, although it comes to that at every third try only', () => {
    const a = make('logs/a')
    writeFileSync(join(tree.path, 'logs/failed'), 'in the way')
    for (let n = 0; n < 4; n += 1) {
      settler.retryLater(a, 'the receiver said 422')
      settler.retryLater(a, 'the receiver said 422')
      settler.setAside(a, 'the receiver said 422')
    }
    const told = log.lines.filter(({ message }) => /could not be set aside/.test(message))
    assert.deepEqual(
      told.map(({ fields }) => fields?.attempts),
      [3, 6, 12],
    )
  })

  test('invariant 4: holds a file that cannot be set aside, and then sets it aside', async () => {
    const a = make('logs/a')
    writeFileSync(join(tree.path, 'logs/failed'), 'in the way')
    settler.setAside(a, 'the receiver said 422')
    assert.equal(isThere(a), true)
    assert.equal(held.isHeld(a.path, clock.monotonicMs()), true)
    assert.deepEqual([stats.quarantined, stats.retried], [0, 1])
    assert.match(log.lines[0]!.message, /422; could not be set aside \(E\w+\)/)
    rmSync(join(tree.path, 'logs/failed'))
    await clock.advance(1000)
    assert.equal(held.isHeld(a.path, clock.monotonicMs()), false)
    settler.setAside(a, 'the receiver said 422')
    assert.equal(isThere(a), false)
    assert.equal(whyFile('logs/failed/a').attempts, 2)
    assert.deepEqual([stats.quarantined, held.size], [1, 0])
  })

  test('says once for a folder that all in it waits, when more than 10,000 files have failed', () => {
    for (const each of imaginaries(10_000, 1, '/many/f')) held.hold(each, 0, 1)
    for (const each of imaginaries(100, 1, '/next/f')) settler.retryLater(each, 'cannot be read')
    assert.deepEqual(
      log.lines.map(({ event, fields }) => [event, fields?.path]),
      [['folder_held', '/next']],
    )
    assert.match(log.lines[0]!.message, /everything in this folder waits.*cannot be read/)
    assert.equal(stats.retried, 100)
  })

  test('tries a file that arrived damaged again', async () => {
    const a = make('a')
    const stored = storedFile(a) as FileResult & { status: 'answered' }
    const outcome = { ...stored.outcome, status: 'rejected', reason: 'digest_mismatch' } as const
    await settle(a, { ...stored, outcome })
    assert.equal(isThere(a), true)
    assert.equal(held.attempts(a), 1)
    assert.deepEqual([stats.rejected, stats.retried], [1, 1])
  })

  test('does not fill the log with a file that fails for ever', async () => {
    const a = make('a')
    for (let n = 0; n < 1000; n += 1) await settle(a, { status: 'unreadable', errno: 'EIO' })
    assert.equal(log.lines.length, 10)
  })

  test('keeps a file for which it has a bug, says so, and settles the others', async () => {
    const [a, b] = [make('a'), make('b')]
    const broken = { status: 'answered' } as unknown as FileResult
    const files = [broken, storedFile(b)]
    assert.deepEqual(await settler.settle([a, b], { files, failure: undefined }), [])
    assert.deepEqual([isThere(a), isThere(b)], [true, false])
    assert.equal(held.attempts(a), 1)
    assert.match(log.lines[0]!.message, /could not be settled/)
  })
})

describe('a file that is stored but cannot be removed', () => {
  test('is owed, said once, and removed without another upload as soon as it can be', () => {
    make('dir/a')
    for (const name of ['dir', 'dir/a']) {
      chownSync(join(tree.path, name), ordinaryUid, process.getegid!())
    }
    const seen = asOrdinaryUser(`
      const { Settler } = await src('sync/settler.ts')
      const { HeldFiles } = await src('sync/held-files.ts')
      const { SyncStats } = await src('sync/sync-stats.ts')
      const { systemClock: clock } = await src('base/clock.ts')
      const { identityOf } = await src('base/file-identity.ts')
      const { chmodSync, existsSync, lstatSync } = await import('node:fs')
      const dir = ${JSON.stringify(join(tree.path, 'dir'))}
      const path = dir + '/a'
      const events = []
      const say = (event) => { events.push(event) }
      const log = { info: say, warn: say, error: say }
      const stats = new SyncStats()
      const settler = new Settler({
        clock, captureDir: () => '/none', held: new HeldFiles(), stats, log, random: () => 1,
        lookUpWriters: async () => ({ open: { has: () => false, blindTo: 0, takenAtMs: 0 }, captureRuns: false }),
      })
      const identity = identityOf(lstatSync(path, { bigint: true }))
      const { device, inode, sizeBytes, mtimeNs } = identity
      const file = { path, root: dir, kind: 'arbitrary', sizeBytes, mtimeNs, device, inode }
      const digest = 'a'.repeat(64)
      const outcome = { status: 'stored', sizeBytes, digest }
      chmodSync(dir, 0o555)
      await settler.settle([file], { files: [{ status: 'answered', outcome, digest, identity }] })
      const owed = settler.owes(file)
      for (let n = 0; n < 3; n += 1) await settler.removeOwed([file])
      const { stored, keptAfterUpload, retried } = stats
      const isThere = existsSync(path)
      chmodSync(dir, 0o755)
      await settler.removeOwed([file])
      console.log(JSON.stringify({
        owed, isThere, stored, keptAfterUpload, retried, events, removed: stats.removed,
        isThereAtLast: existsSync(path), owedAtLast: settler.owes(file),
      }))`)
    assert.deepEqual(seen, {
      owed: true,
      isThere: true,
      stored: 1,
      keptAfterUpload: 1,
      retried: 4,
      events: ['not_removable'],
      removed: 1,
      isThereAtLast: false,
      owedAtLast: false,
    })
  })
})

test('a file that is set aside without a sidecar, on a full disk, is so in the log', () => {
  make('dir/a')
  tree.folder('dir/failed')
  for (const name of ['dir', 'dir/failed']) chmodSync(join(tree.path, name), 0o777)
  const seen = asOrdinaryUser(`
    const { Settler } = await src('sync/settler.ts')
    const { HeldFiles } = await src('sync/held-files.ts')
    const { SyncStats } = await src('sync/sync-stats.ts')
    const { systemClock: clock } = await src('base/clock.ts')
    const { existsSync, lstatSync } = await import('node:fs')
    const { execFileSync } = await import('node:child_process')
    process.on('SIGXFSZ', () => {})
    execFileSync('prlimit', ['--fsize=0', '--pid', String(process.pid)])
    const path = ${JSON.stringify(join(tree.path, 'dir/a'))}
    const { dev, ino, size, mtimeNs } = lstatSync(path, { bigint: true })
    const file = { path, root: '/', kind: 'arbitrary', device: dev, inode: ino, sizeBytes: Number(size), mtimeNs }
    const said = []
    const say = (event, message, fields) => { said.push([event, fields.no_why_file]) }
    const settler = new Settler({
      clock, captureDir: () => '/none', held: new HeldFiles(), emptied: undefined, stats: new SyncStats(),
      log: { info: say, warn: say, error: say }, random: () => 1, lookUpWriters: async () => undefined,
    })
    settler.setAside(file, 'the receiver said 422')
    console.log(JSON.stringify({ said, isThere: existsSync(path), isAside: existsSync(${JSON.stringify(join(tree.path, 'dir/failed/a'))}) }))`)
  assert.deepEqual(seen, { said: [['file_quarantined', 'EFBIG']], isThere: false, isAside: true })
})

test('paths in the log are shown so that they cannot forge a line', () => {
  const path = bytePath(`${tree.path}/a\nb`)
  writeFileSync(fsPath(path), 'x')
  settler.retryLater(candidateAt(path as BytePath), 'because')
  assert.doesNotMatch(String(log.lines[0]!.fields?.path), /\n/)
})
