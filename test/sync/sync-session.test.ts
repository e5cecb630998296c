import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { systemClock } from '../../src/base/clock.ts'
import type { Config } from '../../src/config/config.ts'
import { SyncSession, type SyncSessionOptions } from '../../src/sync/sync-session.ts'
import { ScanTree } from '../scan/scan-tree.ts'
import { captureFile } from '../support/capture-file.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { TestLog } from './test-log.ts'

/** A worker that stores what it is given nowhere, and says that it did. Of .log files it knows nothing. */
const worker = `
import { lstatSync, readFileSync } from 'node:fs'
import { identityOf } from ${JSON.stringify(new URL('../../src/base/file-identity.ts', import.meta.url).href)}
import { blake3 } from ${JSON.stringify(new URL('../../src/base/hash.ts', import.meta.url).href)}
import { packShardResult, unpackShard } from ${JSON.stringify(new URL('../../src/wire/thread-messages.ts', import.meta.url).href)}
export default ({ shard }) => packShardResult({
  files: unpackShard(shard).files.map(({ path, kind }) => {
    if (path.endsWith('.capture') && kind !== 'capture') return { status: 'unreadable', errno: kind }
    const identity = identityOf(lstatSync(path, { bigint: true }))
    const digest = blake3(readFileSync(path))
    const outcome = { status: 'stored', sizeBytes: identity.sizeBytes, digest }
    return { status: 'answered', outcome, digest, identity }
  }),
  failure: undefined,
})`
const folder = mkdtempSync(join(tmpdir(), 'longshore-session-'))
const workerFile = join(folder, 'worker.ts')
writeFileSync(workerFile, worker)
after(() => rmSync(folder, { recursive: true }))

let tree: ScanTree
let log: TestLog
let session: SyncSession
beforeEach(() => {
  tree = new ScanTree()
  log = new TestLog()
})
afterEach(async () => {
  await session.close(0)
  tree.remove()
})

function open(
  captureDir: string,
  more: readonly string[] = [],
  options: Partial<SyncSessionOptions> = {},
  dataManager: Partial<Config['dataManager']> = {},
): SyncSession {
  const config: Config = {
    cloud: {
      address: new URL('https://localhost:1'),
      id: 'robot',
      secret: 's',
      caPem: undefined,
      allowCleartext: false,
    },
    dataManager: {
      captureDir: tree.at(captureDir),
      additionalSyncPaths: more.map((name) => tree.at(name)),
      syncIntervalMs: 6000,
      syncDisabled: false,
      maximumNumSyncThreads: 2,
      quietMs: 1000,
      selectiveSyncerName: undefined,
      tags: [],
      uploadsInFlight: 'auto',
      allowUnsafeRoots: [],
      removeEmptyFolders: false,
      diskFull: undefined,
      ...dataManager,
    },
  }
  session = new SyncSession({
    config,
    workerEntryUrl: pathToFileURL(workerFile),
    unsafeReason: () => undefined,
    clock: systemClock,
    log,
    mode: 'single pass',
    ...options,
  })
  return session
}

async function pass(): Promise<void> {
  await session.scan()
  await session.uploader.whenIdle()
}

const header = {
  componentType: 'rdk:component:camera',
  componentName: 'c',
  methodName: 'M',
  type: 1,
}
const capture = captureFile(header, [{ binary: Buffer.from('jpeg') }])

describe('a session', () => {
  test('uploads what is ready and removes it; the rest stays, counted', async () => {
    for (let n = 0; n < 3000; n += 1) tree.file(`capture/f${n}`, `content ${n}`)
    tree.file('capture/a.capture', capture, 0)
    tree.file('capture/young.log', 'x', 0)
    open('capture')
    const { ready, notReady, roots } = await session.scan()
    await session.uploader.whenIdle()
    assert.equal(ready.files, 3001)
    assert.deepEqual([...notReady], [['not_quiet_yet', 1]])
    assert.deepEqual(
      roots.map(({ state }) => state),
      ['ready'],
    )
    assert.deepEqual(readdirSync(join(tree.path, 'capture')), ['young.log'])
    assert.deepEqual([session.stats.stored, session.stats.removed], [3001, 3001])
    assert.equal(session.uploader.taken, 0)
  })

  for (const removeEmptyFolders of [true, false]) {
    const does = removeEmptyFolders ? 'removes' : 'leaves'
    test(`${does} a folder that it has emptied when remove_empty_folders is ${removeEmptyFolders}`, async () => {
      const clock = new FakeClock()
      clock.setWall(Date.now() + 60_000)
      tree.file('capture/cam/a.capture', capture)
      tree.file('logs/boot/b')
      tree.folder('capture/never-used')
      open('capture', ['logs'], { clock }, { removeEmptyFolders })
      await pass()
      await session.scan()
      clock.pass(3_600_000)
      await session.scan(() => {})
      assert.deepEqual(readdirSync(join(tree.path, 'capture')), ['cam', 'never-used'])
      await session.scan()
      const left = removeEmptyFolders ? ['never-used'] : ['cam', 'never-used']
      assert.deepEqual(readdirSync(join(tree.path, 'capture')), left)
      assert.deepEqual(readdirSync(join(tree.path, 'logs')), ['boot'], 'only below capture_dir')
      assert.equal(log.events.includes('folders_removed'), removeEmptyFolders)
    })
  }

  test('does nothing but tell where it only previews', async () => {
    tree.file('capture/a')
    open('capture')
    const seen: string[] = []
    await session.scan((candidates) => seen.push(...candidates.map(({ path }) => path)))
    assert.deepEqual(seen, [tree.at('capture/a')])
    assert.deepEqual(readdirSync(join(tree.path, 'capture')), ['a'])
    assert.equal(session.threads, 0)
  })

  test('takes up a path that was removed and comes again', async () => {
    open('capture')
    for (let n = 0; n < 3; n += 1) {
      tree.file('capture/a', `version ${n}`)
      await pass()
      assert.deepEqual(readdirSync(join(tree.path, 'capture')), [])
    }
    assert.equal(session.stats.removed, 3)
  })

  test('knows capture files below a capture_dir that appears late, as a link', async () => {
    tree.folder('other')
    open('mnt/capture', ['other'])
    await pass()
    tree.file('disk/capture/a.capture', capture, 0)
    symlinkSync('disk', join(tree.path, 'mnt'))
    await pass()
    assert.deepEqual(readdirSync(join(tree.path, 'disk/capture')), [])
    assert.equal(session.stats.retried, 0)
  })

  test('does not reach a root that is left alone through the one around it', async () => {
    tree.file('outer/good')
    tree.file('outer/inner/precious')
    const unsafeReason = (path: string) => (path.endsWith('/inner') ? 'it is precious' : undefined)
    open('outer', ['outer/inner'], { unsafeReason })
    await pass()
    assert.deepEqual(readdirSync(join(tree.path, 'outer')), ['inner'])
    assert.deepEqual(readdirSync(join(tree.path, 'outer/inner')), ['precious'])
    assert.ok(log.events.includes('root_unsafe'))
  })

  test('says of each root once what it does with it, and again when that changes', async () => {
    tree.folder('here')
    open('here', ['late'])
    await pass()
    await pass()
    assert.deepEqual(log.events, ['root_ready', 'root_missing'])
    tree.folder('late')
    await pass()
    assert.deepEqual(log.events, ['root_ready', 'root_missing', 'root_ready'])
  })

  test('breaks a scan of hours off when a root has to be left alone by now', async () => {
    for (let n = 0; n < 1500; n += 1) tree.file(`capture/f${n}`)
    tree.file('other/f')
    const clock = new FakeClock()
    clock.setWall(Date.now())
    let isSafe = true
    const unsafeReason = (path: string) => {
      return path.endsWith('/capture') && !isSafe ? 'somebody has made it his home' : undefined
    }
    open('capture', ['other'], { clock, unsafeReason })
    const seen: string[] = []
    await session.scan((candidates) => {
      seen.push(...candidates.map(({ path }) => path))
      isSafe = false
      clock.pass(30_000)
    })
    assert.equal(seen.filter((path) => path.includes('/capture/')).length, 512)
    assert.ok(seen.includes(tree.at('other/f')), 'the other root is looked at all the same')
  })

  test('that is closed lets its roots go', async () => {
    tree.folder('capture')
    open('capture')
    await session.lookAtRoots()
    await session.close(0)
    open('capture')
    assert.deepEqual(
      (await session.lookAtRoots()).map(({ state }) => state),
      ['ready'],
    )
  })
})
