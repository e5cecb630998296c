import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type BytePath, bytePath, fsPath, joinPath } from '../../../src/base/byte-path.ts'
import { version } from '../../../src/base/version.ts'
import { sidecarOf } from '../../../src/sync/quarantine/place.ts'
import { quarantine } from '../../../src/sync/quarantine/quarantine.ts'
import {
  parseSidecar,
  type SetAsideReason,
  sidecarText,
} from '../../../src/sync/quarantine/sidecar.ts'
import { asOrdinaryUser } from '../../scan/another-user.ts'
import { ScanTree, TestScanner } from '../../scan/scan-tree.ts'
import { candidateAt } from '../candidates.ts'

let tree: ScanTree
beforeEach(() => {
  tree = new ScanTree()
})
afterEach(() => tree.remove())

const reason: SetAsideReason = {
  code: 'message_refused',
  why: 'the receiver said 422',
  atMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  attempts: 3,
}
function setAside(name: string | Buffer, content = 'content') {
  const path = tree.file(name, content)
  const bytes = Buffer.from(path as string).toString('latin1')
  const latin1 = typeof path === 'string' ? bytes : path.toString('latin1')
  return quarantine(candidateAt(latin1 as BytePath), tree.at('capture'), reason)
}
const json = (name: string) => JSON.parse(readFileSync(join(tree.path, name), 'utf8'))
const names = (folder: string) => readdirSync(join(tree.path, folder)).sort()

describe('the sidecar of a file that is set aside', () => {
  test('says why, when, how often it was tried, from where, how large, and who says so', () => {
    setAside('logs/a.log', '12345')
    assert.deepEqual(json('logs/failed/a.log.why.json'), {
      longshore_why: 1,
      code: 'message_refused',
      why: 'the receiver said 422',
      at: '2026-01-02T03:04:05.000Z',
      attempts: 3,
      from: join(tree.path, 'logs/a.log'),
      set_aside_to: join(tree.path, 'logs/failed/a.log'),
      size_bytes: 5,
      longshore_version: version,
    })
    assert.equal(lstatSync(join(tree.path, 'logs/failed/a.log.why.json')).mode & 0o777, 0o600)
  })

  test('has the bytes of a path that is not UTF-8', () => {
    const name = Buffer.from([0x62, 0xff, 0x0a, 0x2e])
    setAside(name)
    const [sidecar] = names('failed').filter((each) => each.endsWith('.why.json'))
    assert.ok(sidecar !== undefined)
    const raw = readdirSync(join(tree.path, 'failed'), { encoding: 'buffer' })
    const bytes = raw.find((each) => each.toString('latin1').endsWith('.why.json'))!
    const text = readFileSync(Buffer.concat([Buffer.from(`${tree.path}/failed/`), bytes]), 'utf8')
    const expected = Buffer.concat([Buffer.from(`${tree.path}/`), name])
    assert.equal(JSON.parse(text).from_base64, expected.toString('base64'))
    assert.match(JSON.parse(text).from, /b\\xff\\x0a\./)
    assert.equal(parseSidecar(text)?.from, expected.toString('latin1'))
  })

  test('never takes the place of a file that was set aside, nor lends it its own', () => {
    setAside('a.why.json', 'a user’s')
    setAside('a', 'first')
    setAside('a', 'second')
    setAside('a.why.json', 'another')
    assert.equal(readFileSync(join(tree.path, 'failed/a.why.json'), 'utf8'), 'a user’s')
    assert.deepEqual(names('failed'), [
      'a.why.json',
      'a.why.json.why.json',
      'a.why.json~1',
      'a.why.json~1.why.json',
      'a~1',
      'a~1.why.json',
      'a~2',
      'a~2.why.json',
    ])
  })

  test('has room beside a name of 255 bytes, and beside another one that begins alike', () => {
    const [one, two] = [`${'n'.repeat(254)}1`, `${'n'.repeat(254)}2`]
    setAside(one, 'one')
    const second = setAside(two, 'two')
    assert.ok(second.result === 'moved' && second.sidecarErrno === undefined)
    assert.equal(json(`failed/${'n'.repeat(246)}.why.json`).from, join(tree.path, one))
    assert.equal(json(`failed/${'n'.repeat(244)}~1.why.json`).from, join(tree.path, two))
    assert.equal(readFileSync(fsPath(second.to), 'utf8'), 'two')
  })

  test('goes around a link that has its name, and writes nothing through it', () => {
    mkdirSync(join(tree.path, 'failed'))
    symlinkSync(join(tree.path, 'target'), join(tree.path, 'failed/a.why.json'))
    setAside('a')
    assert.equal(existsSync(join(tree.path, 'target')), false)
    assert.ok(existsSync(join(tree.path, 'failed/a~1.why.json')))
  })

  test('is not taken for a file to upload by a scan', async () => {
    setAside('logs/a.log')
    assert.deepEqual(await new TestScanner().scan(tree), [])
  })

  test('that cannot be written holds up nothing: the file is moved all the same', () => {
    tree.file('dir/failed/there', 'x')
    tree.file('dir/a')
    for (const name of ['dir', 'dir/failed']) chmodSync(join(tree.path, name), 0o777)
    // A limit on the size of files is a full disk: taking a name and moving go, writing does not.
    const seen = asOrdinaryUser(`
      const { quarantine } = await src('sync/quarantine/quarantine.ts')
      const { lstatSync } = await import('node:fs')
      const { execFileSync } = await import('node:child_process')
      process.on('SIGXFSZ', () => {})
      execFileSync('prlimit', ['--fsize=0', '--pid', String(process.pid)])
      const path = ${JSON.stringify(join(tree.path, 'dir/a'))}
      const { dev, ino, size, mtimeNs } = lstatSync(path, { bigint: true })
      const file = { path, device: dev, inode: ino, sizeBytes: Number(size), mtimeNs }
      const result = quarantine(file, '/none', ${JSON.stringify(reason)})
      console.log(JSON.stringify(result))`)
    assert.deepEqual(seen, {
      result: 'moved',
      to: join(tree.path, 'dir/failed/a'),
      sidecarErrno: 'EFBIG',
    })
    assert.deepEqual(names('dir/failed'), ['a', 'there'])
  })
})

describe('what is read back from a sidecar', () => {
  test('is what was written', () => {
    for (const name of ['plain', 'ünï', 'new\nline', '\ufeffbom']) {
      const paths = { from: bytePath(`/a/${name}`), to: bytePath(`/a/failed/${name}`) }
      assert.deepEqual(parseSidecar(sidecarText(paths, 1, reason)), paths)
    }
    const raw = '/a/\xff\xfe' as BytePath
    const paths = { from: raw, to: joinPath(raw, '\x80') }
    assert.deepEqual(parseSidecar(sidecarText(paths, 1, reason)), paths)
  })

  test('is nothing where it is no sidecar', () => {
    const wrong = [
      '',
      '{',
      '[]',
      'null',
      '1',
      '"x"',
      '{}',
      '{"longshore_why":1}',
      '{"longshore_why":1,"from":"/a"}',
      '{"longshore_why":1,"from":1,"set_aside_to":"/b"}',
      '{"longshore_why":2,"from":"/a","set_aside_to":"/b"}',
      '{"longshore_why":"1","from":"/a","set_aside_to":"/b"}',
    ]
    for (const text of wrong) assert.equal(parseSidecar(text), undefined, text)
  })

  test('has room for a reason of any length', () => {
    const path = `/${'p'.repeat(4095)}` as BytePath
    const text = sidecarText({ from: path, to: path }, 1, { ...reason, why: 'w'.repeat(1e6) })
    assert.ok(Buffer.byteLength(text) < 65_536)
    const raw = `/${'\xff'.repeat(4095)}` as BytePath
    assert.ok(Buffer.byteLength(sidecarText({ from: raw, to: raw }, 1, reason)) < 65_536)
  })
})

test('the sidecar of a file lies beside it', () => {
  assert.equal(sidecarOf(bytePath('/a/failed/x~1')), '/a/failed/x~1.why.json')
})
