import assert from 'node:assert/strict'
import { mkdirSync, realpathSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type BytePath, bytePath } from '../../src/base/byte-path.ts'
import { lockRoot, type RootLock } from '../../src/probe/root-lock.ts'
import type { ViamServer } from '../../src/probe/viam-server.ts'
import { RootGuard, type RootGuardOptions, type RootState } from '../../src/sync/root-guard.ts'
import { ScanTree } from '../scan/scan-tree.ts'
import { FakeClock } from '../support/fake-clock.ts'

let tree: ScanTree
let clock: FakeClock
let namespace: string
let number = 0
const guards: RootGuard[] = []
const others: RootLock[] = []
beforeEach(() => {
  tree = new ScanTree()
  clock = new FakeClock()
  number += 1
  namespace = `longshore/test-guard-${process.pid}-${number}`
})
afterEach(async () => {
  for (const each of [...guards.splice(0), ...others.splice(0)]) await each.release()
  tree.remove()
})

let viamServers: ViamServer[] = []
let viamLooks = 0
function guard(names: readonly string[], options: Partial<RootGuardOptions> = {}): RootGuard {
  viamServers = []
  viamLooks = 0
  const made = new RootGuard({
    configured: names.map((name) => tree.at(name)),
    unsafeReason: () => undefined,
    clock,
    findViamServers: async () => {
      viamLooks += 1
      return viamServers
    },
    lockNamespace: namespace,
    ...options,
  })
  guards.push(made)
  return made
}

const statesOf = async (made: RootGuard) => (await made.look()).map(({ state }) => state)
const folders = (...names: string[]) => {
  for (const name of names) tree.folder(name)
}
/** Whether another daemon could have this root now. */
async function isFree(name: string): Promise<boolean> {
  try {
    const lock = await lockRoot(tree.at(name), { namespace, patienceMs: 0 })
    await lock.release()
    return true
  } catch {
    return false
  }
}
/** Another daemon takes this root. */
async function takeByOther(name: string): Promise<void> {
  others.push(await lockRoot(tree.at(name), { namespace }))
}

describe('roots', () => {
  test('that are there are ready, in the order of the config, and locked', async () => {
    folders('longer-name', 'b')
    const made = guard(['longer-name', 'b'])
    const states = await made.look()
    assert.deepEqual(
      states.map(({ state, root }) => [state, root.path]),
      [
        ['ready', tree.at('longer-name')],
        ['ready', tree.at('b')],
      ],
    )
    assert.equal(await isFree('b'), false)
    await made.release()
    assert.equal(await isFree('b'), true)
    assert.equal(await isFree('longer-name'), true)
  })

  test('that are named twice, or by a link, are one, in the place of the first', async () => {
    folders('a', 'b')
    symlinkSync('a', join(tree.path, 'link'))
    const states = await guard(['a', 'b', 'link', 'a']).look()
    assert.deepEqual(
      states.map(({ root }) => [root.path, root.configured]),
      [
        [tree.at('a'), tree.at('a')],
        [tree.at('b'), tree.at('b')],
      ],
    )
  })

  test('that are missing become ready when they appear', async () => {
    folders('a')
    const made = guard(['a', 'late'])
    assert.deepEqual(await statesOf(made), ['ready', 'missing'])
    folders('late')
    assert.deepEqual(await statesOf(made), ['ready', 'ready'])
    assert.equal(await isFree('late'), false)
  })

  test('that vanish are missing', async () => {
    folders('a')
    const made = guard(['a'])
    await made.look()
    rmSync(join(tree.path, 'a'), { recursive: true })
    assert.deepEqual(await statesOf(made), ['missing'])
  })

  test('that are no folders are told from those that are missing', async () => {
    writeFileSync(join(tree.path, 'file'), 'x')
    const [state] = await guard(['file']).look()
    assert.equal(state!.state, 'unreadable')
    assert.match((state as RootState & { why: string }).why, /not a folder/)
    assert.deepEqual(await statesOf(guard(['file/below'])), ['unreadable'])
  })

  test('that lie in one another are covered by one lock', async () => {
    folders('outer/inner')
    const made = guard(['outer/inner', 'outer'])
    assert.deepEqual(await statesOf(made), ['ready', 'ready'])
    assert.deepEqual(await statesOf(made), ['ready', 'ready'])
    assert.equal(await isFree('outer/inner'), false)
    await made.release()
    assert.equal(await isFree('outer'), true)
  })

  test('stay locked when an outer one appears later', async () => {
    folders('disk/inner')
    const made = guard(['link', 'disk/inner'])
    assert.deepEqual(await statesOf(made), ['missing', 'ready'])
    symlinkSync('disk', join(tree.path, 'link'))
    assert.deepEqual(await statesOf(made), ['ready', 'ready'])
    assert.equal(await isFree('disk'), false)
    assert.equal(await isFree('disk/inner'), false)
    await made.release()
    assert.equal(await isFree('disk'), true)
  })

  test('may be asked for again after they were released', async () => {
    folders('a')
    const made = guard(['a'])
    await made.look()
    await made.release()
    await made.release()
    assert.deepEqual(await statesOf(made), ['ready'])
  })
})

describe('a root that another daemon works on', () => {
  for (const [where, ours] of [
    ['itself', 'a/b'],
    ['above it', 'a'],
    ['below it', 'a/b/c'],
  ] as const) {
    test(`is in use when that is ${where}`, async () => {
      folders('a/b/c', 'free')
      await takeByOther('a/b')
      const states = await guard([ours, 'free']).look()
      assert.deepEqual(
        states.map(({ state }) => state),
        ['in_use', 'ready'],
      )
      const [inUse] = states
      assert.match(inUse!.state === 'ready' ? '' : inUse!.why, new RegExp(`process ${process.pid}`))
    })
  }

  test('is ours when that has ended', async () => {
    folders('a')
    await takeByOther('a')
    const made = guard(['a'])
    assert.deepEqual(await statesOf(made), ['in_use'])
    await others[0]!.release()
    assert.deepEqual(await statesOf(made), ['ready'])
  })
})

describe('a root that is not safe', () => {
  const unsafe = {
    unsafeReason: (path: BytePath) => (path.endsWith('/home') ? 'it is a home' : undefined),
  }

  test('is left alone, and not locked', async () => {
    folders('home', 'a')
    assert.deepEqual(await statesOf(guard(['home', 'a'], unsafe)), ['unsafe', 'ready'])
    assert.equal(await isFree('home'), true)
  })

  test('is left alone when it appears as a link', async () => {
    folders('home')
    const made = guard(['late'], unsafe)
    assert.deepEqual(await statesOf(made), ['missing'])
    symlinkSync('home', join(tree.path, 'late'))
    const [state] = await made.look()
    assert.deepEqual(state, {
      state: 'unsafe',
      root: { path: bytePath(realpathSync(join(tree.path, 'home'))), configured: tree.at('late') },
      why: 'it is a home',
    })
  })

  test('is left alone when a link of ours comes to lead to it', async () => {
    folders('home', 'good')
    symlinkSync('good', join(tree.path, 'link'))
    const made = guard(['link'], unsafe)
    assert.deepEqual(await statesOf(made), ['ready'])
    unlinkSync(join(tree.path, 'link'))
    symlinkSync('home', join(tree.path, 'link'))
    assert.deepEqual(await statesOf(made), ['unsafe'])
  })
})

describe('a root on which a viam-server may work', () => {
  const server = (directory: string, syncEnabled: ViamServer['syncEnabled']): ViamServer => ({
    pid: 77,
    syncEnabled,
    directories: [tree.at(directory)],
    why: '',
  })

  for (const [directory, syncEnabled, state] of [
    ['a', true, 'viam_server'],
    ['a', 'unknown', 'viam_server'],
    ['a', false, 'ready'],
    ['a/below', true, 'viam_server'],
    ['.', true, 'viam_server'],
    ['ab', true, 'ready'],
  ] as const) {
    test(`is ${state} when that syncs ${directory}: ${syncEnabled}`, async () => {
      folders('a')
      const made = guard(['a'])
      const path = directory === '.' ? bytePath(tree.path) : tree.at(directory)
      viamServers = [{ ...server('a', syncEnabled), directories: [path] }]
      const [root] = await made.look()
      assert.equal(root?.state, state)
      assert.equal(made.viamServerRuns, true)
      if (root!.state === 'viam_server') assert.match(root.why, /process 77/)
    })
  }

  test('is looked at again every half a minute, and free when that is gone', async () => {
    folders('a')
    const made = guard(['a'])
    assert.deepEqual(await statesOf(made), ['ready'])
    assert.equal(made.viamServerRuns, false)
    viamServers = [server('a', true)]
    await clock.advance(29_999)
    assert.deepEqual(await statesOf(made), ['ready'])
    assert.equal(viamLooks, 1)
    await clock.advance(1)
    assert.deepEqual(await statesOf(made), ['viam_server'])
    viamServers = []
    await clock.advance(30_000)
    assert.deepEqual(await statesOf(made), ['ready'])
  })

  test('fails to be looked at where nobody can be seen: nothing is worked on then', async () => {
    folders('a')
    const made = guard(['a'], {
      findViamServers: async () => {
        throw new Error('no /proc')
      },
    })
    await assert.rejects(made.look(), /no \/proc/)
    assert.equal(await isFree('a'), true)
  })
})

test('folders with names of any bytes can be roots', async () => {
  mkdirSync(Buffer.concat([Buffer.from(`${tree.path}/`), Buffer.from([0xff])]))
  const made = guard([], { configured: [`${tree.path}/\xff` as BytePath] })
  assert.deepEqual(await statesOf(made), ['ready'])
})
