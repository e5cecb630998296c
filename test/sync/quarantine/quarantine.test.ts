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
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type BytePath, bytePath } from '../../../src/base/byte-path.ts'
import type { FileKind } from '../../../src/scan/candidate.ts'
import { quarantineFolder } from '../../../src/sync/quarantine/place.ts'
import { quarantine } from '../../../src/sync/quarantine/quarantine.ts'
import type { SetAsideReason } from '../../../src/sync/quarantine/sidecar.ts'
import { asOrdinaryUser } from '../../scan/another-user.ts'
import { ScanTree, TestScanner } from '../../scan/scan-tree.ts'
import { candidateAt } from '../candidates.ts'

let tree: ScanTree
beforeEach(() => {
  tree = new ScanTree()
})
afterEach(() => tree.remove())

function make(name: string, content = name, kind: FileKind = 'arbitrary') {
  const path = join(tree.path, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return candidateAt(bytePath(path), kind)
}
const reason: SetAsideReason = {
  code: 'name_not_allowed',
  why: 'the receiver does not take its name',
  atMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  attempts: 3,
}
const setAside = (name: string, content?: string) => {
  return quarantine(make(name, content), tree.at('capture'), reason)
}
const moved = (to: BytePath) => ({ result: 'moved', to, sidecarErrno: undefined })
const read = (name: string) => readFileSync(join(tree.path, name), 'utf8')

describe('the place of a file that is set aside', () => {
  const table: readonly [string, string][] = [
    ['/data/cap/cam/a.capture', '/data/cap/failed/cam'],
    ['/data/cap/a.capture', '/data/cap/failed'],
    ['/data/cap/cam/a.log', '/data/cap/cam/failed'],
    ['/data/capture/a.capture', '/data/capture/failed'],
    ['/other/a.capture', '/other/failed'],
    ['/data/cap/cam/a.prog', '/data/cap/cam/failed'],
  ]
  for (const [path, folder] of table) {
    test(`of ${path} is ${folder}`, () => {
      assert.equal(quarantineFolder(path as BytePath, '/data/cap' as BytePath), folder)
    })
  }
})

describe('setting a file aside', () => {
  test('moves it beside itself, to a folder of its owner’s', () => {
    const { device, inode } = make('logs/a.log')
    assert.deepEqual(setAside('logs/a.log'), moved(tree.at('logs/failed/a.log')))
    assert.equal(read('logs/failed/a.log'), 'logs/a.log')
    assert.equal(existsSync(join(tree.path, 'logs/a.log')), false)
    const stats = lstatSync(join(tree.path, 'logs/failed/a.log'), { bigint: true })
    assert.deepEqual([stats.dev, stats.ino, stats.nlink], [device, inode, 1n])
    assert.equal(lstatSync(join(tree.path, 'logs/failed')).mode & 0o777, 0o700)
  })

  test('keeps the folders of a capture file', () => {
    assert.deepEqual(
      setAside('capture/cam/M/a.capture'),
      moved(tree.at('capture/failed/cam/M/a.capture')),
    )
  })

  test('never takes the place of another', () => {
    const all = ['one', 'two', 'three'].map((content) => setAside('a.log', content))
    assert.deepEqual(
      all.map((each) => 'to' in each && each.to),
      [tree.at('failed/a.log'), tree.at('failed/a.log~1'), tree.at('failed/a.log~2')],
    )
    assert.equal(read('failed/a.log'), 'one')
    assert.equal(read('failed/a.log~1'), 'two')
    assert.equal(read('failed/a.log~2'), 'three')
  })

  test('goes around whatever has the name, a link to nothing included', () => {
    mkdirSync(join(tree.path, 'failed/a.log'), { recursive: true })
    symlinkSync('/nothing', join(tree.path, 'failed/a.log~1'))
    assert.deepEqual(setAside('a.log'), moved(tree.at('failed/a.log~2')))
    assert.equal(existsSync('/nothing'), false)
  })

  test('finds a name for one of 255 bytes', () => {
    const name = 'n'.repeat(255)
    setAside(name, 'one')
    assert.deepEqual(setAside(name, 'two'), moved(tree.at(`failed/${'n'.repeat(244)}~1`)))
    assert.equal(read(`failed/${name}`), 'one')
  })

  const replacements: readonly [string, (path: string) => void][] = [
    ['changed', (path) => writeFileSync(path, 'more than it was')],
    [
      'replaced',
      (path) => {
        // Before the old one goes, so that the new one has another inode.
        writeFileSync(`${path}.new`, 'a.log')
        unlinkSync(path)
        linkSync(`${path}.new`, path)
      },
    ],
    [
      'replaced by a folder',
      (path) => {
        unlinkSync(path)
        mkdirSync(path)
      },
    ],
    ['deleted', (path) => unlinkSync(path)],
  ]
  for (const [what, replace] of replacements) {
    test(`leaves what is there when the file has been ${what} since`, () => {
      const candidate = make('a.log')
      const path = join(tree.path, 'a.log')
      replace(path)
      const before = lstatSync(path, { throwIfNoEntry: false })?.ino
      assert.deepEqual(quarantine(candidate, tree.at('capture'), reason), { result: 'changed' })
      assert.equal(lstatSync(path, { throwIfNoEntry: false })?.ino, before)
      assert.deepEqual(readdirSync(join(tree.path, 'failed')), [])
    })
  }

  test('does not follow a failed that is a link', () => {
    mkdirSync(join(tree.path, 'elsewhere'))
    symlinkSync('elsewhere', join(tree.path, 'failed'))
    assert.deepEqual(setAside('a.log'), { result: 'failed', errno: 'ELOOP' })
    assert.equal(read('a.log'), 'a.log')
    assert.deepEqual(readdirSync(join(tree.path, 'elsewhere')), [])
  })

  test('makes no folders behind a link', () => {
    tree.folder('capture/cam')
    tree.folder('elsewhere')
    symlinkSync('../elsewhere', join(tree.path, 'capture/failed'))
    const file = make('capture/cam/a.capture', 'a', 'capture')
    const result = quarantine(file, tree.at('capture'), reason)
    assert.deepEqual(result, { result: 'failed', errno: 'ELOOP' })
    assert.equal(read('capture/cam/a.capture'), 'a')
    assert.deepEqual(readdirSync(join(tree.path, 'elsewhere')), [])
  })

  test('leaves the file where a file has the name of the folder', () => {
    writeFileSync(join(tree.path, 'failed'), 'x')
    const result = setAside('a.log')
    assert.equal(result.result, 'failed')
    assert.equal(read('a.log'), 'a.log')
    assert.equal(read('failed'), 'x')
  })

  test('leaves the file, and nothing else, where the folder may not be written to', () => {
    make('a.log')
    chmodSync(tree.path, 0o555)
    const result = asOrdinaryUser(`
      const { quarantine } = await src('sync/quarantine/quarantine.ts')
      const { lstatSync } = await import('node:fs')
      const path = ${JSON.stringify(join(tree.path, 'a.log'))}
      const { dev, ino, size, mtimeNs } = lstatSync(path, { bigint: true })
      const file = { path, device: dev, inode: ino, sizeBytes: Number(size), mtimeNs }
      console.log(JSON.stringify(quarantine(file, '/none', ${JSON.stringify(reason)})))`)
    assert.deepEqual(result, { result: 'failed', errno: 'EACCES' })
    assert.deepEqual(readdirSync(tree.path), ['a.log'])
    chmodSync(tree.path, 0o755)
  })

  test('stays on the disk of the file, where that is mounted below capture_dir', (t) => {
    mkdirSync(join(tree.path, 'capture/disk'), { recursive: true })
    const program = `
      import { execFileSync } from 'node:child_process'
      import { lstatSync, writeFileSync } from 'node:fs'
      const { quarantine } = await import(${JSON.stringify(new URL('../../../src/sync/quarantine/quarantine.ts', import.meta.url).href)})
      const capture = ${JSON.stringify(join(tree.path, 'capture'))}
      try {
        execFileSync('mount', ['-t', 'tmpfs', 'none', capture + '/disk'], { stdio: 'ignore' })
      } catch { process.exit(77) }
      const path = capture + '/disk/a.capture'
      writeFileSync(path, 'x')
      const { dev, ino, size, mtimeNs } = lstatSync(path, { bigint: true })
      const file = { path, device: dev, inode: ino, sizeBytes: Number(size), mtimeNs }
      console.log(JSON.stringify(quarantine(file, capture, ${JSON.stringify(reason)})))`
    const node = [process.execPath, '--input-type=module', '-e', program]
    const { status, stdout } = spawnSync('unshare', ['-rm', ...node], { encoding: 'utf8' })
    if (status !== 0) return t.diagnostic('nothing can be mounted here')
    const to = join(tree.path, 'capture/disk/failed/a.capture')
    assert.deepEqual(JSON.parse(stdout), { result: 'moved', to })
    assert.deepEqual(readdirSync(join(tree.path, 'capture/failed/disk')), [])
  })
})

describe('a crash while a file is set aside', () => {
  test('leaves the file under its name alone, and an empty one that hinders nobody', async () => {
    const candidate = make('a.log')
    // What is there between taking the name and moving the file.
    mkdirSync(join(tree.path, 'failed'))
    writeFileSync(join(tree.path, 'failed/a.log'), '')
    tree.age(join(tree.path, 'a.log'), 3600)
    assert.deepEqual(await new TestScanner().scan(tree), ['a.log'])
    const again = candidateAt(candidate.path)
    assert.deepEqual(
      quarantine(again, tree.at('capture'), reason),
      moved(tree.at('failed/a.log~1')),
    )
    assert.equal(read('failed/a.log~1'), 'a.log')
    assert.deepEqual(await new TestScanner().scan(tree), [])
  })
})
