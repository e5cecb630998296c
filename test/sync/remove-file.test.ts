import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { bytePath, fsPath } from '../../src/base/byte-path.ts'
import { lookUpOpenWriters } from '../../src/probe/open-writers.ts'
import { mayBeWritten } from '../../src/scan/writers-rule.ts'
import { type Removal, removeIfUnchanged } from '../../src/sync/remove-file.ts'
import { asOrdinaryUser, ordinaryUid } from '../scan/another-user.ts'
import { ScanTree } from '../scan/scan-tree.ts'
import { candidateAt, identityAt } from './candidates.ts'

let tree: ScanTree
let path: string
beforeEach(() => {
  tree = new ScanTree()
  path = join(tree.path, 'file')
  writeFileSync(path, 'content')
  utimesSync(path, 1e9, 1e9)
})
afterEach(() => tree.remove())

const kept = (why: 'changed' | 'being_written' | 'gone'): Removal => ({ result: 'kept', why })

describe('invariant 1: a file that the receiver has', () => {
  test('is removed while it is the one that was read', () => {
    const identity = identityAt(bytePath(path))
    assert.deepEqual(removeIfUnchanged(bytePath(path), identity, false), { result: 'removed' })
    assert.equal(existsSync(path), false)
  })

  test('is removed under a name of any bytes', () => {
    const name = Buffer.concat([Buffer.from(`${tree.path}/`), Buffer.from([0xff, 0x0a, 0x80])])
    writeFileSync(name, 'x')
    const bytes = bytePath('').concat(name.toString('latin1')) as ReturnType<typeof bytePath>
    assert.deepEqual(removeIfUnchanged(bytes, identityAt(bytes), false), { result: 'removed' })
    assert.equal(existsSync(fsPath(bytes)), false)
  })

  const changes: readonly [string, () => void, ReturnType<typeof kept>][] = [
    ['appended to', () => appendFileSync(path, '!'), kept('changed')],
    ['truncated', () => truncateSync(path, 3), kept('changed')],
    ['emptied', () => truncateSync(path, 0), kept('changed')],
    ['touched', () => utimesSync(path, 1e9 + 1, 1e9 + 1), kept('changed')],
    [
      'rewritten with as many bytes and given its old mtime back',
      () => {
        writeFileSync(path, 'CONTENT')
        utimesSync(path, 1e9, 1e9)
      },
      kept('changed'),
    ],
    [
      'given another mode, which may be all that shows of a change',
      () => chmodSync(path, 0o600),
      kept('changed'),
    ],
    [
      'replaced by a file of the same size and time',
      () => {
        const other = join(tree.path, 'other')
        writeFileSync(other, 'CONTENT')
        utimesSync(other, 1e9, 1e9)
        renameSync(other, path)
      },
      kept('changed'),
    ],
    [
      'deleted and written anew',
      () => {
        unlinkSync(path)
        writeFileSync(path, 'content')
        utimesSync(path, 1e9, 1e9)
      },
      kept('changed'),
    ],
    ['given a second name', () => linkSync(path, join(tree.path, 'link')), kept('changed')],
    [
      'given a second name and moved to it',
      () => {
        renameSync(path, join(tree.path, 'moved'))
        linkSync(join(tree.path, 'moved'), path)
      },
      kept('changed'),
    ],
    [
      'replaced by a link to itself under another name',
      () => {
        renameSync(path, join(tree.path, 'moved'))
        symlinkSync('moved', path)
      },
      kept('changed'),
    ],
    [
      'replaced by a folder',
      () => {
        unlinkSync(path)
        mkdirSync(path)
      },
      kept('changed'),
    ],
    [
      'replaced by a pipe',
      () => {
        unlinkSync(path)
        execFileSync('mkfifo', [path])
      },
      kept('changed'),
    ],
    ['deleted', () => unlinkSync(path), kept('gone')],
    [
      'deleted with the folder it was in',
      () => rmSync(tree.path, { recursive: true }),
      kept('gone'),
    ],
  ]
  for (const [what, change, removal] of changes) {
    test(`is kept when it has been ${what}`, () => {
      const identity = identityAt(bytePath(path))
      change()
      assert.deepEqual(removeIfUnchanged(bytePath(path), identity, false), removal)
      const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined
      assert.equal(isThere, removal.result === 'kept' && removal.why === 'changed')
    })
  }

  test('is kept when one of device, inode, size, mtime and ctime is another', () => {
    const identity = identityAt(bytePath(path))
    const others = [
      { device: identity.device + 1n },
      { inode: identity.inode + 1n },
      { sizeBytes: identity.sizeBytes + 1 },
      { mtimeNs: identity.mtimeNs + 1n },
      { ctimeNs: identity.ctimeNs + 1n },
    ]
    for (const other of others) {
      const removal = removeIfUnchanged(bytePath(path), { ...identity, ...other }, false)
      assert.deepEqual(removal, kept('changed'), Object.keys(other)[0])
    }
    assert.equal(readFileSync(path, 'utf8'), 'content')
  })

  test('is kept when somebody may be writing to it', () => {
    const identity = identityAt(bytePath(path))
    assert.deepEqual(removeIfUnchanged(bytePath(path), identity, true), kept('being_written'))
    assert.equal(existsSync(path), true)
  })

  test('is kept while another process has it open for writing, unless it is a capture file', async (t) => {
    const child = spawn(
      process.execPath,
      [
        '-e',
        `require('fs').openSync('file', 'r+'); console.log('open'); setInterval(() => {}, 1e6)`,
      ],
      { cwd: tree.path, stdio: ['ignore', 'pipe', 'inherit'] },
    )
    t.after(() => child.kill())
    await once(child.stdout!, 'data')
    const identity = identityAt(bytePath(path))
    const remove = async (kind: 'arbitrary' | 'capture') => {
      const writers = { open: await lookUpOpenWriters(), captureRuns: false }
      const isOpen = mayBeWritten(candidateAt(bytePath(path), kind), writers)
      return removeIfUnchanged(bytePath(path), identity, isOpen)
    }
    assert.deepEqual(await remove('arbitrary'), kept('being_written'))
    assert.equal(existsSync(path), true)
    assert.deepEqual(await remove('capture'), { result: 'removed' })
    child.kill()
    await once(child, 'exit')
    writeFileSync(path, 'again')
    const writers = { open: await lookUpOpenWriters(), captureRuns: false }
    assert.equal(mayBeWritten(candidateAt(bytePath(path)), writers), false)
  })

  test('is kept, with the reason, when the system does not let it go', () => {
    chownSync(path, ordinaryUid, process.getegid!())
    chownSync(tree.path, ordinaryUid, process.getegid!())
    chmodSync(tree.path, 0o555)
    const removal = asOrdinaryUser(`
      const { removeIfUnchanged } = await src('sync/remove-file.ts')
      const { identityOf } = await src('base/file-identity.ts')
      const { lstatSync } = await import('node:fs')
      const path = ${JSON.stringify(path)}
      const identity = identityOf(lstatSync(path, { bigint: true }))
      console.log(JSON.stringify(removeIfUnchanged(path, identity, false)))`)
    assert.deepEqual(removal, { result: 'failed', errno: 'EACCES' })
    assert.equal(existsSync(path), true)
    chmodSync(tree.path, 0o755)
  })
})
