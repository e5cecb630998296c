import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Config, DiskFullConfig } from '../../src/config/config.ts'
import { SyncSession } from '../../src/sync/sync-session.ts'
import { ScanTree } from '../scan/scan-tree.ts'
import { captureFile } from '../support/capture-file.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { TestLog } from './test-log.ts'

const header = { componentType: 'c', componentName: 'n', methodName: 'M', type: 1 }
const content = captureFile(header, [{ binary: Buffer.alloc(100) }])

let tree: ScanTree
let session: SyncSession
const clock = new FakeClock()
beforeEach(() => {
  tree = new ScanTree()
})
afterEach(async () => {
  await session.close(0)
  tree.remove()
})

function open(diskFull: DiskFullConfig | undefined): SyncSession {
  const config: Config = {
    cloud: {
      address: new URL('https://localhost:1'),
      id: 'robot',
      secret: 's',
      caPem: undefined,
      allowCleartext: false,
    },
    dataManager: {
      captureDir: tree.at('capture'),
      additionalSyncPaths: [],
      syncIntervalMs: 6000,
      syncDisabled: true,
      maximumNumSyncThreads: 1,
      quietMs: 1000,
      selectiveSyncerName: undefined,
      tags: [],
      uploadsInFlight: 'auto',
      allowUnsafeRoots: [],
      removeEmptyFolders: false,
      diskFull,
    },
  }
  session = new SyncSession({
    config,
    workerEntryUrl: new URL('file:///nothing/is/uploaded/here.ts'),
    unsafeReason: () => undefined,
    clock,
    log: new TestLog(),
    mode: 'daemon',
  })
  return session
}

describe('a session', () => {
  test('invariant 1: has nothing that could remove a file unsent unless the config asks for it', () => {
    assert.equal(open(undefined).evictor, undefined)
  })

  test('makes room on the real file system where the config asks for it, and counts it', async () => {
    for (let n = 0; n < 3; n += 1) tree.file(`capture/${n}.capture`, content, 1000 - n)
    tree.file('capture/a.log')
    // Any disk is that full.
    const always = { diskUsageThreshold: 1e-12, captureDirThreshold: 1e-12 }
    const { evictor, stats } = open({ deleteEveryNth: 1, ...always })
    clock.setWall(Date.now() + 1000)
    await evictor!.look(false)
    assert.equal(stats.evicted, 0)
    // Another test may have a process that looks like a viam-server: then it takes longer.
    while (stats.evicted < 3) {
      clock.pass(60_000)
      await evictor!.look(false)
    }
    const left = ['0.capture', '1.capture', '2.capture', 'a.log'].filter((name) => {
      return existsSync(tree.at(`capture/${name}`))
    })
    assert.deepEqual(left, ['a.log'])
  })
})
