import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
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
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { putBack } from '../../../src/sync/requeue/put-back.ts'
import { asOrdinaryUser } from '../../scan/another-user.ts'
import { ScanTree } from '../../scan/scan-tree.ts'

let tree: ScanTree
beforeEach(() => {
  tree = new ScanTree()
})
afterEach(() => tree.remove())

const read = (name: string) => readFileSync(join(tree.path, name), 'utf8')
const put = () => putBack(tree.at('failed/a'), tree.at('a'))

describe('putting a file back', () => {
  test('moves the very file, with its time', () => {
    tree.file('failed/a', 'content')
    const before = lstatSync(join(tree.path, 'failed/a'), { bigint: true })
    assert.deepEqual(put(), { result: 'moved', to: tree.at('a') })
    const after = lstatSync(join(tree.path, 'a'), { bigint: true })
    assert.deepEqual(
      [after.ino, after.mtimeNs, after.size, after.nlink],
      [before.ino, before.mtimeNs, before.size, 1n],
    )
    assert.deepEqual(readdirSync(join(tree.path, 'failed')), [])
  })

  test('invariant 1: never takes the place of anything, of whatever kind', () => {
    tree.file('failed/a', 'set aside')
    tree.file('a', 'new version')
    mkdirSync(join(tree.path, 'a~1'))
    symlinkSync('/nothing', join(tree.path, 'a~2'))
    tree.file('a~3', '')
    assert.deepEqual(put(), { result: 'moved', to: tree.at('a~4') })
    assert.equal(read('a'), 'new version')
    assert.equal(read('a~3'), '')
    assert.equal(read('a~4'), 'set aside')
    assert.equal(existsSync('/nothing'), false)
  })

  test('goes on where an earlier one was killed between its two steps', () => {
    tree.file('failed/a', 'content')
    linkSync(join(tree.path, 'failed/a'), join(tree.path, 'a'))
    assert.deepEqual(put(), { result: 'moved', to: tree.at('a') })
    assert.equal(lstatSync(join(tree.path, 'a')).nlink, 1)
    assert.deepEqual(readdirSync(tree.path).sort(), ['a', 'failed'])
  })

  test('finds the second name that an earlier one gave, though a better one is free by now', () => {
    tree.file('failed/a', 'content')
    linkSync(join(tree.path, 'failed/a'), join(tree.path, 'a~1'))
    assert.deepEqual(put(), { result: 'moved', to: tree.at('a~1') })
    assert.equal(lstatSync(join(tree.path, 'a~1')).nlink, 1)
    assert.deepEqual(readdirSync(tree.path).sort(), ['a~1', 'failed'])
  })

  test('leaves the other names of a file that has several', () => {
    tree.file('failed/a', 'content')
    linkSync(join(tree.path, 'failed/a'), join(tree.path, 'other'))
    assert.deepEqual(put(), { result: 'moved', to: tree.at('a') })
    assert.equal(read('other'), 'content')
    assert.equal(read('a'), 'content')
  })

  test('moves no link and no folder', () => {
    mkdirSync(join(tree.path, 'failed'))
    symlinkSync('/etc/hostname', join(tree.path, 'failed/a'))
    assert.equal(put().result, 'failed')
    assert.deepEqual(readdirSync(tree.path), ['failed'])
    assert.deepEqual(putBack(tree.at('failed'), tree.at('b')), { result: 'failed', errno: 'ELOOP' })
  })

  test('says so when it is gone', () => {
    assert.deepEqual(put(), { result: 'gone' })
    assert.deepEqual(readdirSync(tree.path), [])
  })

  test('finds a place for a name of 255 bytes', () => {
    const name = 'n'.repeat(255)
    tree.file(`failed/${name}`, 'set aside')
    tree.file(name, 'new')
    assert.deepEqual(putBack(tree.at(`failed/${name}`), tree.at(name)), {
      result: 'moved',
      to: tree.at(`${'n'.repeat(244)}~1`),
    })
    assert.equal(read(name), 'new')
  })

  test('leaves the file under its one name where it may not be taken out of its folder', () => {
    tree.file('failed/a', 'content')
    chmodSync(tree.path, 0o777)
    chmodSync(join(tree.path, 'failed/a'), 0o666)
    chmodSync(join(tree.path, 'failed'), 0o555)
    const seen = asOrdinaryUser(`
      const { putBack } = await src('sync/requeue/put-back.ts')
      const path = ${JSON.stringify(tree.path)}
      console.log(JSON.stringify(putBack(path + '/failed/a', path + '/a')))`)
    chmodSync(join(tree.path, 'failed'), 0o755)
    assert.deepEqual(seen, { result: 'failed', errno: 'EACCES' })
    assert.deepEqual(readdirSync(tree.path), ['failed'])
    assert.equal(lstatSync(join(tree.path, 'failed/a')).nlink, 1)
  })

  test('moves where a second name is not allowed, and never over anything there either', () => {
    // Somebody else's file, not writable: protected_hardlinks refuses, as vfat would.
    tree.file('failed/a', 'content')
    tree.file('a', 'new')
    for (const name of ['', 'failed']) chmodSync(join(tree.path, name), 0o777)
    chmodSync(join(tree.path, 'failed/a'), 0o444)
    const seen = asOrdinaryUser(`
      const { putBack } = await src('sync/requeue/put-back.ts')
      const { linkSync } = await import('node:fs')
      const path = ${JSON.stringify(tree.path)}
      let link = 'allowed'
      try { linkSync(path + '/failed/a', path + '/x') } catch (error) { link = error.code }
      console.log(JSON.stringify([link, putBack(path + '/failed/a', path + '/a')]))`)
    const moved = { result: 'moved', to: join(tree.path, 'a~1') }
    if (process.geteuid!() === 0) assert.deepEqual(seen, ['EPERM', moved])
    assert.equal(read('a'), 'new')
    assert.equal(read('a~1'), 'content')
    assert.deepEqual(readdirSync(join(tree.path, 'failed')), [])
  })

  test('leaves it where its place is on another mount', (t) => {
    mkdirSync(join(tree.path, 'failed'))
    const program = `
      import { execFileSync } from 'node:child_process'
      import { readdirSync, writeFileSync } from 'node:fs'
      const { putBack } = await import(${JSON.stringify(new URL('../../../src/sync/requeue/put-back.ts', import.meta.url).href)})
      const top = ${JSON.stringify(tree.path)}
      try {
        execFileSync('mount', ['-t', 'tmpfs', 'none', top + '/failed'], { stdio: 'ignore' })
      } catch { process.exit(77) }
      writeFileSync(top + '/failed/a', 'x')
      const result = putBack(top + '/failed/a', top + '/a')
      console.log(JSON.stringify([result, readdirSync(top), readdirSync(top + '/failed')]))`
    const node = [process.execPath, '--input-type=module', '-e', program]
    const { status, stdout } = spawnSync('unshare', ['-rm', ...node], { encoding: 'utf8' })
    if (status !== 0) return t.diagnostic('nothing can be mounted here')
    const failed = { result: 'failed', errno: 'EXDEV' }
    assert.deepEqual(JSON.parse(stdout), [failed, ['failed'], ['a']])
  })

  test('invariant 1: loses nothing of what a program writes to the same name meanwhile', async () => {
    // A camera that makes `latest` with open(O_CREAT), as most programs do, and then archives it.
    const camera = `
      const { readFileSync, renameSync, writeFileSync } = require('node:fs')
      let lost = 0
      for (let n = 0; n < 20000; n += 1) {
        writeFileSync('latest', 'new ' + n)
        renameSync('latest', 'kept')
        if (readFileSync('kept', 'utf8') !== 'new ' + n) lost += 1
      }
      console.log(JSON.stringify({ lost }))`
    const child = spawn(process.execPath, ['-e', camera], { cwd: tree.path })
    let printed = ''
    child.stdout.on('data', (bytes) => {
      printed += String(bytes)
    })
    let moved = 0
    const ended = once(child, 'close')
    while (child.exitCode === null) {
      tree.file('failed/latest', 'old')
      for (let n = 0; n < 50; n += 1) {
        const result = putBack(tree.at('failed/latest'), tree.at('latest'))
        if (result.result === 'moved') moved += 1
        if (existsSync(join(tree.path, 'latest~1'))) unlinkSync(join(tree.path, 'latest~1'))
        tree.file('failed/latest', 'old')
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    await ended
    assert.deepEqual(JSON.parse(printed), { lost: 0 })
    assert.ok(moved > 0)
  })
})
