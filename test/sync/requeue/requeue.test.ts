import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type BytePath, bytePath, fsPath, showPath } from '../../../src/base/byte-path.ts'
import { receiverDataMarker } from '../../../src/base/receiver-data-marker.ts'
import { quarantine } from '../../../src/sync/quarantine/quarantine.ts'
import { type SetAsideReason, sidecarText } from '../../../src/sync/quarantine/sidecar.ts'
import { readSidecar, removeSidecar } from '../../../src/sync/requeue/read-sidecar.ts'
import type { RequeueReport } from '../../../src/sync/requeue/report.ts'
import { Requeue } from '../../../src/sync/requeue/requeue.ts'
import { asOrdinaryUser } from '../../scan/another-user.ts'
import { ScanTree, TestScanner } from '../../scan/scan-tree.ts'
import { candidateAt } from '../candidates.ts'

const reason: SetAsideReason = { code: 'name_not_allowed', why: 'w', atMs: 0, attempts: 1 }

/** What a requeue says, below the top of the tree: `moved a -> b (note)`. */
class Told implements RequeueReport {
  readonly lines: string[] = []
  readonly #top: string

  constructor(top: string) {
    this.#top = `${top}/`
  }

  moved(from: BytePath, to: BytePath, note: string | undefined): void {
    this.#say(`moved ${showPath(from)} -> ${showPath(to)}${note === undefined ? '' : ` (${note})`}`)
  }
  left(path: BytePath, why: string): void {
    this.#say(`left ${showPath(path)}: ${why}`)
  }
  failed(path: BytePath, why: string): void {
    this.#say(`failed ${showPath(path)} ${why}`)
  }
  notFound(path: BytePath, why: string): void {
    this.#say(`not found ${showPath(path)} ${why}`)
  }
  tidied(sidecar: BytePath): void {
    this.#say(`tidied ${showPath(sidecar)}`)
  }
  #say(line: string): void {
    this.lines.push(line.replaceAll(this.#top, ''))
  }
}

let tree: ScanTree
beforeEach(() => {
  tree = new ScanTree()
  tree.folder('capture')
  tree.folder('logs')
})
afterEach(() => tree.remove())

function setAside(name: string | Buffer, content = 'content'): BytePath {
  const path = tree.file(name, content)
  const bytes = typeof path === 'string' ? Buffer.from(path) : path
  const file = candidateAt(bytes.toString('latin1') as BytePath)
  const moved = quarantine(file, tree.at('capture'), reason)
  assert.ok(moved.result === 'moved')
  return moved.to
}
async function requeue(
  paths: readonly string[] = [],
  dryRun = false,
  roots = ['capture', 'logs'],
): Promise<string[]> {
  const report = new Told(tree.path)
  const run = new Requeue({
    roots: roots.map((name) => tree.at(name)),
    captureDir: tree.at('capture'),
    dryRun,
    report,
    isStopped: () => false,
  })
  if (paths.length === 0) await run.everything()
  else await run.named(paths.map((path) => bytePath(join(tree.path, path))))
  return report.lines.sort()
}
/** All files of the tree, with their content. */
function files(): Record<string, string> {
  const names = readdirSync(tree.path, { recursive: true, encoding: 'utf8' }).sort()
  const isFile = (name: string) => lstatSync(join(tree.path, name)).isFile()
  return Object.fromEntries(
    names.filter(isFile).map((name) => [name, readFileSync(join(tree.path, name), 'utf8')]),
  )
}

describe('requeue without a path', () => {
  test('brings everything back, with its time, and takes the sidecars away', async () => {
    const to = setAside('capture/cam/M/a.capture', 'one')
    setAside('capture/cam/b.log', 'two')
    setAside('logs/deep/c', 'three')
    const { mtimeNs } = lstatSync(fsPath(to), { bigint: true })
    assert.deepEqual(await requeue(), [
      'moved capture/cam/failed/b.log -> capture/cam/b.log',
      'moved capture/failed/cam/M/a.capture -> capture/cam/M/a.capture',
      'moved logs/deep/failed/c -> logs/deep/c',
    ])
    assert.deepEqual(files(), {
      'capture/cam/M/a.capture': 'one',
      'capture/cam/b.log': 'two',
      'logs/deep/c': 'three',
    })
    const back = lstatSync(join(tree.path, 'capture/cam/M/a.capture'), { bigint: true })
    assert.equal(back.mtimeNs, mtimeNs)
  })

  test('makes files that the next scan takes up', async () => {
    setAside('logs/a')
    await requeue()
    const roots = [tree.rootAt('logs')]
    assert.deepEqual(await new TestScanner().scan(tree, { roots }), ['logs/a'])
  })

  test('brings back what Viam has set aside, which has no sidecars', async () => {
    tree.file('capture/failed/rdk/x.capture', 'x')
    tree.file('capture/failed/sequences/s.seq', 's')
    tree.file('logs/failed/y', 'y')
    await requeue()
    assert.deepEqual(files(), {
      'capture/rdk/x.capture': 'x',
      'capture/sequences/s.seq': 's',
      'logs/y': 'y',
    })
  })

  test('does nothing but say what it would do when it is asked to', async () => {
    setAside('logs/a')
    tree.file('logs/failed/b.why.json', '{}')
    tree.file('logs/a', 'new')
    writeSidecar('logs/gone', 'logs/failed/gone')
    const before = files()
    assert.deepEqual(await requeue([], true), [
      'moved logs/failed/a -> logs/a~1 (a exists)',
      'moved logs/failed/b.why.json -> logs/b.why.json',
      'tidied logs/failed/gone.why.json',
    ])
    assert.deepEqual(files(), before)
  })

  test('invariant 1: never overwrites: the next free name is taken, and said', async () => {
    setAside('logs/a', 'first')
    setAside('logs/a', 'second')
    tree.file('logs/a', 'new')
    const told = await requeue()
    assert.equal(told.length, 2)
    for (const line of told) assert.match(line, /-> logs\/a~[12] \(a exists\)$/)
    const { 'logs/a': now, ...others } = files()
    assert.equal(now, 'new')
    assert.deepEqual(Object.keys(others), ['logs/a~1', 'logs/a~2'])
    assert.deepEqual(Object.values(others).sort(), ['first', 'second'])
  })

  test('gives each its own name back where a sidecar says it', async () => {
    setAside('logs/a', 'first')
    setAside('logs/a~1', 'is called so')
    unlinkSync(join(tree.path, 'logs/failed/a'))
    unlinkSync(join(tree.path, 'logs/failed/a.why.json'))
    await requeue()
    assert.deepEqual(files(), { 'logs/a~1': 'is called so' })
    setAside('logs/b', 'earlier')
    setAside('logs/b', 'b')
    unlinkSync(join(tree.path, 'logs/failed/b'))
    await requeue()
    assert.deepEqual(files(), { 'logs/a~1': 'is called so', 'logs/b': 'b' })
  })

  test('takes ~1 off without a sidecar, unless the plain name is taken here or there', async () => {
    tree.file('logs/failed/a~1', 'a1')
    tree.file('logs/failed/b~1', 'b1')
    tree.file('logs/failed/b', 'b')
    // In the other order too: a folder has its entries in an order of its own.
    tree.file('logs/failed/d', 'd')
    tree.file('logs/failed/d~1', 'd1')
    tree.file('logs/failed/c~1', 'c1')
    tree.file('logs/c', 'c')
    await requeue()
    assert.deepEqual(files(), {
      'logs/a': 'a1',
      'logs/b': 'b',
      'logs/b~1': 'b1',
      'logs/c': 'c',
      'logs/c~1': 'c1',
      'logs/d': 'd',
      'logs/d~1': 'd1',
    })
  })

  test('gives names of 255 bytes and names that are not UTF-8 back as they were', async () => {
    const long = [`${'n'.repeat(254)}1`, `${'n'.repeat(254)}2`]
    for (const name of long) setAside(`logs/${name}`, name)
    const raw = Buffer.concat([Buffer.from('logs/'), Buffer.from([0xff, 0x0a, 0xfe])])
    setAside(raw, 'one')
    setAside(raw, 'two')
    await requeue()
    for (const name of long) assert.equal(readFileSync(join(tree.path, 'logs', name), 'utf8'), name)
    const names = readdirSync(join(tree.path, 'logs'), { encoding: 'latin1' as 'utf8' }).sort()
    assert.deepEqual(names, ['failed', ...long, '\xff\n\xfe', '\xff\n\xfe~1'])
    assert.deepEqual(readdirSync(join(tree.path, 'logs/failed')), [])
  })

  test('leaves names that were taken for a move that broke off', async () => {
    tree.file('logs/failed/a', '')
    tree.file('logs/failed/a.why.json', '')
    assert.equal((await requeue()).filter((line) => line.startsWith('left')).length, 2)
    assert.deepEqual(Object.keys(files()), ['logs/failed/a', 'logs/failed/a.why.json'])
  })

  test('leaves folders that a user has in a failed of his own', async () => {
    tree.file('logs/failed/mine/x')
    tree.file('capture/x/failed/mine/y')
    const before = files()
    const told = await requeue()
    assert.ok(told.every((line) => line.startsWith('left')))
    assert.equal(told.length, 2)
    assert.deepEqual(files(), before)
  })

  test('looks into no link, no receiver’s data, and nothing for datasets', async () => {
    tree.file('elsewhere/failed/a')
    symlinkSync(join(tree.path, 'elsewhere'), join(tree.path, 'logs/link'))
    symlinkSync(join(tree.path, 'elsewhere/failed'), join(tree.path, 'logs/failed'))
    tree.file(`logs/data/${receiverDataMarker}`, '{}')
    tree.file('logs/data/machines/failed/b')
    tree.file('capture/datasetUpload/failed/c')
    const before = files()
    assert.deepEqual(await requeue(), [
      "left logs/data: a receiver's data",
      'left logs/failed: symbolic links are not followed',
    ])
    assert.deepEqual(files(), before)
  })

  test('leaves links and pipes in failed', async () => {
    mkdirSync(join(tree.path, 'logs/failed'))
    symlinkSync('/etc/hostname', join(tree.path, 'logs/failed/link'))
    spawnSync('mkfifo', [join(tree.path, 'logs/failed/pipe')])
    assert.deepEqual(await requeue(), [
      'left logs/failed/link: symbolic links are not followed',
      'left logs/failed/pipe: neither a file nor a folder',
    ])
  })

  test('walks a root within another one once', async () => {
    setAside('logs/deep/a')
    tree.file('logs/deep/failed/empty', '')
    const told = await requeue([], false, ['logs', 'capture', 'logs/deep'])
    assert.equal(told.length, 2, told.join('\n'))
    assert.deepEqual(files(), { 'logs/deep/a': 'content', 'logs/deep/failed/empty': '' })
  })

  test('says of a root that does not exist that it does not', async () => {
    renameSync(join(tree.path, 'logs'), join(tree.path, 'away'))
    assert.deepEqual(await requeue(), ['left logs: it does not exist (yet)'])
  })

  test('stays when a link has taken the place of a folder that the file came from', async () => {
    setAside('capture/cam/a.capture')
    renameSync(join(tree.path, 'capture/cam'), join(tree.path, 'elsewhere'))
    symlinkSync(join(tree.path, 'elsewhere'), join(tree.path, 'capture/cam'))
    const [line] = await requeue()
    assert.match(line!, /^failed .* a symbolic link stands in the way/)
    assert.deepEqual(readdirSync(join(tree.path, 'elsewhere')), [])
    assert.ok(existsSync(join(tree.path, 'capture/failed/cam/a.capture')))
  })

  test('makes folders anew that have gone, and stays when a file has their place', async () => {
    setAside('capture/cam/M/a.capture')
    setAside('capture/dog/b.capture')
    for (const name of ['cam/M', 'cam', 'dog']) {
      spawnSync('rmdir', [join(tree.path, 'capture', name)])
    }
    tree.file('capture/dog', 'a file')
    const told = await requeue()
    assert.match(told[0]!, /^failed capture\/failed\/dog\/b.capture .*ENOTDIR/)
    assert.ok(existsSync(join(tree.path, 'capture/cam/M/a.capture')))
    assert.ok(existsSync(join(tree.path, 'capture/failed/dog/b.capture')))
  })
})

/** Any sidecar that somebody might write. */
function writeSidecar(from: string, to: string, at = `${to}.why.json`): void {
  const paths = { from: tree.at(from), to: tree.at(to) }
  tree.file(at, sidecarText(paths, 1, reason))
}

describe('a sidecar that requeue finds', () => {
  const lies: readonly [what: string, from: string][] = [
    ['a place outside the roots', 'outside/a'],
    ['another root', 'logs/a'],
    ['a place above', 'capture/cam/../../outside/a'],
    ['another folder of the root', 'capture/other/a.capture'],
    ['another name', 'capture/cam/b.capture'],
    ['no name', 'capture/cam/'],
    ['the folder above', 'capture/cam/..'],
  ]
  for (const [what, from] of lies) {
    test(`invariant 4: moves no file to ${what}, whatever it says`, async () => {
      tree.file('capture/failed/cam/a.capture', 'x')
      tree.folder('outside')
      const paths = {
        from: `${tree.path}/${from}` as BytePath,
        to: tree.at('capture/failed/cam/a.capture'),
      }
      tree.file('capture/failed/cam/a.capture.why.json', sidecarText(paths, 1, reason))
      const [line] = await requeue()
      assert.match(line!, /-> capture\/cam\/a.capture \(its .why.json names .* not believed\)/)
      assert.deepEqual(files(), { 'capture/cam/a.capture': 'x' })
    })
  }

  test('is not believed a name that no file can have', async () => {
    const begin = 'n'.repeat(244)
    for (const name of [`${begin}${'m'.repeat(12)}`, `${begin}\0`]) {
      tree.file(`logs/failed/${begin}~1`, 'x')
      const paths = { from: tree.at(`logs/${name}`), to: tree.at(`logs/failed/${begin}~1`) }
      tree.file(`logs/failed/${begin}~1.why.json`, sidecarText(paths, 1, reason))
      const [line] = await requeue()
      assert.match(line!, /^moved .*not believed/)
      assert.deepEqual(Object.keys(files()), [`logs/${begin}`])
      unlinkSync(join(tree.path, 'logs', begin))
    }
  })

  test('of a file that has gone is removed', async () => {
    writeSidecar('logs/a', 'logs/failed/a')
    assert.deepEqual(await requeue(), ['tidied logs/failed/a.why.json'])
    assert.deepEqual(files(), {})
  })

  test('invariant 1: is not removed when it is of another place, but left', async () => {
    // A copy, which somebody had uploaded like any file, and which was set aside.
    writeSidecar('capture/a', 'capture/failed/a', 'logs/failed/a.why.json')
    const before = files()
    assert.match((await requeue())[0]!, /^left logs\/failed\/a\.why\.json/)
    assert.deepEqual(files(), before)
  })

  test('invariant 1: is a user’s file when it is none', async () => {
    const contents = ['{}', 'not JSON', `{"longshore_why":1}`, 'x'.repeat(100_000)]
    for (const [n, content] of contents.entries()) tree.file(`logs/failed/${n}.why.json`, content)
    await requeue()
    assert.deepEqual(Object.values(files()), contents)
    assert.ok(Object.keys(files()).every((name) => !name.includes('failed')))
  })

  test('invariant 1: is not removed when another file has its name by now', () => {
    setAside('logs/a')
    const path = tree.at('logs/failed/a.why.json')
    const sidecar = readSidecar(path)!
    tree.file('other', 'a user’s')
    renameSync(join(tree.path, 'other'), fsPath(path))
    removeSidecar(sidecar)
    assert.equal(readFileSync(fsPath(path), 'utf8'), 'a user’s')
  })

  test('that is a link is not read and not removed', async () => {
    setAside('logs/a')
    const sidecar = join(tree.path, 'logs/failed/a.why.json')
    renameSync(sidecar, join(tree.path, 'kept.json'))
    symlinkSync(join(tree.path, 'kept.json'), sidecar)
    await requeue()
    assert.ok(lstatSync(sidecar).isSymbolicLink())
    assert.deepEqual(Object.keys(files()), ['kept.json', 'logs/a'])
  })

  test('goes with its file after a requeue that was killed between its steps', async () => {
    setAside('logs/a', 'content')
    linkSync(join(tree.path, 'logs/failed/a'), join(tree.path, 'logs/a'))
    assert.deepEqual(await requeue(), ['moved logs/failed/a -> logs/a'])
    assert.deepEqual(files(), { 'logs/a': 'content' })
  })
})

describe('requeue of paths', () => {
  test('takes the path in failed, or the path before, and nothing else', async () => {
    for (const name of ['a', 'b', 'c']) setAside(`logs/${name}`)
    setAside('capture/cam/d.capture')
    setAside('capture/cam/e.capture')
    assert.deepEqual(await requeue(['logs/failed/a', 'logs/b', 'capture/cam/d.capture']), [
      'moved capture/failed/cam/d.capture -> capture/cam/d.capture',
      'moved logs/failed/a -> logs/a',
      'moved logs/failed/b -> logs/b',
    ])
    assert.ok(existsSync(join(tree.path, 'logs/failed/c')))
    assert.ok(existsSync(join(tree.path, 'capture/failed/cam/e.capture')))
  })

  test('finds all versions that came from a path', async () => {
    setAside('logs/a', 'one')
    setAside('logs/a', 'two')
    setAside('logs/a~1', 'another file')
    await requeue(['logs/a'])
    assert.deepEqual(Object.keys(files()), [
      'logs/a',
      'logs/a~1',
      'logs/failed/a~1~1',
      'logs/failed/a~1~1.why.json',
    ])
  })

  test('takes a folder: one of files set aside, or one that they came from', async () => {
    setAside('capture/cam/M/a.capture')
    setAside('capture/cam/b.capture')
    setAside('capture/dog/c.capture')
    setAside('capture/cam/d.log')
    assert.deepEqual(await requeue(['capture/failed/cam/M']), [
      'moved capture/failed/cam/M/a.capture -> capture/cam/M/a.capture',
    ])
    assert.deepEqual(await requeue(['capture/cam']), [
      'moved capture/cam/failed/d.log -> capture/cam/d.log',
      'moved capture/failed/cam/b.capture -> capture/cam/b.capture',
    ])
    assert.deepEqual(await requeue(['capture']), [
      'moved capture/failed/dog/c.capture -> capture/dog/c.capture',
    ])
  })

  test('takes all that a shell makes of failed/*, sidecars among them', async () => {
    setAside('logs/a')
    setAside('logs/b')
    const names = readdirSync(join(tree.path, 'logs/failed')).sort()
    assert.equal(names.length, 4)
    const told = await requeue(names.map((name) => `logs/failed/${name}`))
    assert.deepEqual(told, ['moved logs/failed/a -> logs/a', 'moved logs/failed/b -> logs/b'])
  })

  test('says of each that is none why, and goes on', async () => {
    tree.file('outside/a')
    tree.file('logs/fine')
    tree.folder('logs/empty')
    symlinkSync(join(tree.path, 'outside'), join(tree.path, 'logs/link'))
    setAside('logs/good')
    const paths = [
      'outside/a',
      'logs/fine',
      'logs/nothing',
      'logs/failed/nothing',
      'logs/link',
      'logs/fine/below',
      'logs/empty',
      'logs/good',
    ]
    const told = await requeue(paths)
    const expected = [
      /^failed logs\/fine\/below cannot be looked at \(ENOTDIR\)/,
      /^moved logs\/failed\/good -> logs\/good$/,
      /^not found logs\/failed\/nothing there is no such file$/,
      /^not found logs\/fine it has not been set aside$/,
      /^not found logs\/link symbolic links are not followed$/,
      /^not found logs\/nothing there is no such file, and it has not been set aside$/,
      /^not found outside\/a lies below none of the roots/,
    ]
    assert.equal(told.length, expected.length, told.join('\n'))
    for (const [n, line] of told.entries()) assert.match(line, expected[n]!)
  })

  test('invariant 1: leaves what a link in the path leads to outside the roots', async () => {
    tree.file('outside/failed/a')
    symlinkSync(join(tree.path, 'outside'), join(tree.path, 'logs/link'))
    const before = files()
    const told = await requeue(['logs/link/failed/a', 'logs/link/failed', 'logs/../outside/failed'])
    assert.ok(
      told.every((line) => line.startsWith('not found')),
      told.join('\n'),
    )
    assert.deepEqual(files(), before)
  })

  test('invariant 1: leaves what a failed that is a link leads to', async () => {
    tree.file('outside/a')
    symlinkSync(join(tree.path, 'outside'), join(tree.path, 'logs/failed'))
    symlinkSync(join(tree.path, 'outside'), join(tree.path, 'capture/failed'))
    const told = await requeue(['logs/a', 'capture/a.capture', 'logs/failed', 'logs/failed/a'])
    assert.ok(
      told.every((line) => /^(left|not found) /.test(line)),
      told.join('\n'),
    )
    assert.deepEqual(readdirSync(join(tree.path, 'outside')), ['a'])
    for (const root of ['logs', 'capture']) {
      assert.deepEqual(readdirSync(join(tree.path, root)), ['failed'])
    }
  })

  test('leaves what this user may not move, says so, and moves the rest', async () => {
    setAside('logs/a')
    setAside('logs/sub/b')
    for (const name of ['logs/failed', 'logs/sub', 'logs/sub/failed']) {
      chmodSync(join(tree.path, name), 0o777)
    }
    chmodSync(join(tree.path, 'logs/sub/failed/b.why.json'), 0o644)
    chmodSync(join(tree.path, 'logs/failed/a.why.json'), 0)
    chmodSync(join(tree.path, 'logs'), 0o555)
    const seen = asOrdinaryUser(`
      const { Requeue } = await src('sync/requeue/requeue.ts')
      const logs = ${JSON.stringify(join(tree.path, 'logs'))}
      const told = []
      const tell = (what) => (...args) => { told.push([what, ...args].join(' ')) }
      const report = { moved: tell('moved'), left: tell('left'), failed: tell('failed'), notFound: tell('not found'), tidied: tell('tidied') }
      const requeue = new Requeue({ roots: [logs], captureDir: logs, dryRun: false, report, isStopped: () => false })
      await requeue.everything()
      console.log(JSON.stringify(told.sort()))`) as string[]
    const logs = join(tree.path, 'logs')
    chmodSync(logs, 0o755)
    assert.equal(seen.length, 3, seen.join('\n'))
    assert.match(
      seen[0]!,
      /failed .*logs\/failed\/a stays: this user may not read or move it \(EACCES\)/,
    )
    assert.match(seen[1]!, /failed .*logs\/failed\/a.why.json stays/)
    assert.match(seen[2]!, /^moved .*sub\/failed\/b .*sub\/b/)
    assert.deepEqual(readdirSync(join(logs, 'failed')).sort(), ['a', 'a.why.json'])
  })
})

test('a root that this user may not look at is said to be one, and the others are worked on', () => {
  tree.file('closed/root/failed/a')
  tree.file('logs/failed/b')
  for (const name of ['logs', 'logs/failed']) chmodSync(join(tree.path, name), 0o777)
  chmodSync(join(tree.path, 'closed'), 0)
  const roots = ['closed/root', 'logs'].map((name) => join(tree.path, name))
  const seen = asOrdinaryUser(`
    const { Requeue } = await src('sync/requeue/requeue.ts')
    const { lockOutOtherRequeues } = await src('sync/requeue/lock-roots.ts')
    const roots = ${JSON.stringify(roots)}
    const told = []
    const tell = (what) => (...args) => { told.push([what, ...args].join(' ')) }
    const report = { moved: tell('moved'), left: tell('left'), failed: tell('failed') }
    const unlock = await lockOutOtherRequeues(roots)
    await new Requeue({ roots, captureDir: roots[0], dryRun: false, report, isStopped: () => false }).everything()
    await unlock()
    console.log(JSON.stringify(told))`) as string[]
  chmodSync(join(tree.path, 'closed'), 0o755)
  assert.equal(seen.length, 2, seen.join('\n'))
  assert.match(seen[0]!, /^failed .*closed\/root cannot be looked into \(EACCES\)/)
  assert.match(seen[1]!, /^moved .*logs\/failed\/b /)
})

test('a file that is set aside again and again keeps its name, and one sidecar', async () => {
  for (let n = 0; n < 20; n += 1) {
    if (n === 0) setAside('logs/poison')
    else assert.ok(quarantine(candidateAt(tree.at('logs/poison')), tree.at('capture'), reason))
    assert.deepEqual(readdirSync(join(tree.path, 'logs/failed')).sort(), [
      'poison',
      'poison.why.json',
    ])
    await requeue()
    assert.deepEqual(Object.keys(files()), ['logs/poison'])
  }
})
