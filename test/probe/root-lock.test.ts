import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { after, describe, test } from 'node:test'
import { type BytePath, bytePath, fsPath } from '../../src/base/byte-path.ts'
import { type LockRootOptions, lockRoot, type RootLock } from '../../src/probe/root-lock.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'longshore-lock-')))
after(() => rmSync(folder, { recursive: true }))

let made = 0
const makeRoot = (...below: string[]) => {
  const root = join(folder, String(made++), ...below)
  mkdirSync(root, { recursive: true })
  return root
}
const lock = (root: string, options?: LockRootOptions) => lockRoot(bytePath(root), options)
const inUse =
  (...parts: RegExp[]) =>
  (error: Error & { code?: string }) => {
    assert.equal(error.code, 'root_in_use', error.message)
    for (const part of parts) assert.match(error.message, part)
    return true
  }

const module = (name: string) => JSON.stringify(new URL(`../../src/${name}`, import.meta.url).href)
/** Does what its input says, one command a line, and answers each with a line. */
const program = `
  import { createInterface } from 'node:readline'
  import { bytePath } from ${module('base/byte-path.ts')}
  import { lockRoot } from ${module('probe/root-lock.ts')}
  let lock
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'release') await lock?.release()
    else lock = await lockRoot(bytePath(line)).catch((error) => void console.log(error.code))
    if (line === 'release' || lock) console.log('ok')
  }`

/** A second process that locks roots. */
class Other {
  readonly child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  constructor() {
    this.child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  async say(line: string): Promise<string> {
    this.child.stdin.write(`${line}\n`)
    return (await this.#lines.next()).value
  }

  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const exit = once(this.child, 'exit')
    this.child.kill(signal)
    await exit
  }
}

describe('lockRoot between processes', () => {
  test('a root is locked for one process, until that is killed', async () => {
    const root = makeRoot()
    const other = new Other()
    assert.equal(await other.say(root), 'ok')
    const named = inUse(new RegExp(`process ${other.child.pid}, root ${root}$`))
    await assert.rejects(lock(root), named)
    await other.end('SIGKILL')
    await (await lock(root)).release()
  })

  test('roots that lie in each other exclude each other, both ways round', async () => {
    const inner = makeRoot('a', 'b')
    const outer = join(inner, '..')
    const other = new Other()
    assert.equal(await other.say(outer), 'ok')
    await assert.rejects(lock(inner), inUse(new RegExp(`^${inner} `), new RegExp(`root ${outer}$`)))
    assert.equal(await other.say('release'), 'ok')
    const held = await lock(inner)
    assert.equal(await other.say(outer), 'root_in_use')
    await held.release()
    assert.equal(await other.say(outer), 'ok')
    await other.end()
  })

  test('of two that start at once in overlapping roots exactly one runs', async () => {
    const inner = makeRoot('a', 'b')
    const outer = join(inner, '..')
    const others = [new Other(), new Other()] as const
    for (let round = 0; round < 15; round++) {
      const answers = await Promise.all([others[0].say(outer), others[1].say(inner)])
      assert.deepEqual(answers.toSorted(), ['ok', 'root_in_use'], `round ${round}`)
      await Promise.all(others.map((other) => other.say('release')))
    }
    await Promise.all(others.map((other) => other.end()))
  })

  test('a lock does not keep its process alive', async () => {
    const other = new Other()
    assert.equal(await other.say(makeRoot()), 'ok')
    other.child.stdin.end()
    assert.deepEqual(await once(other.child, 'exit'), [0, null])
  })
})

describe('lockRoot', () => {
  test('neighbours do not exclude each other, even where one name begins with the other', async () => {
    const root = makeRoot('a')
    const locks = await Promise.all([lock(root), lock(makeRoot()), lock(makeRoot())])
    mkdirSync(`${root}b`)
    const fourth = await lock(`${root}b`)
    for (const held of [...locks, fourth]) await held.release()
  })

  test('goes by the directory, not by the way to it', async () => {
    const root = makeRoot('a')
    const link = `${root}-link`
    symlinkSync(root, link)
    const held = await lock(link)
    assert.equal(held.root, root)
    await assert.rejects(lock(root), inUse())
    mkdirSync(join(root, 'x'))
    await assert.rejects(lock(join(link, 'x')), inUse())
    await held.release()
  })

  test('tells a root whose name is not UTF-8 from others and shows it escaped', async () => {
    const root = `${makeRoot()}/odd\xff` as BytePath
    mkdirSync(fsPath(root))
    const held = await lockRoot(root)
    await assert.rejects(lockRoot(root), inUse(/odd\\xff/))
    await held.release()
  })

  test('can be released twice, and locked again at once', async () => {
    const root = makeRoot()
    for (let round = 0; round < 20; round++) {
      const held = await lock(root)
      await Promise.all([held.release(), held.release()])
      await held.release()
    }
  })

  test('of many overlapping ones at once exactly one is given', async () => {
    const deepest = makeRoot('a', 'b', 'c', 'd')
    const chain = [deepest, ...[1, 2, 3].map((up) => join(deepest, ...Array(up).fill('..')))]
    for (let round = 0; round < 10; round++) {
      const results = await Promise.allSettled(chain.map((root) => lock(root)))
      const held = results.filter((result) => result.status === 'fulfilled')
      assert.equal(held.length, 1, `round ${round}`)
      for (const result of held) await (result.value as RootLock).release()
    }
  })

  test('leaves nothing locked when it fails', async () => {
    const inner = makeRoot('a', 'b')
    const outer = await lock(join(inner, '..'))
    await assert.rejects(lock(inner), inUse())
    await outer.release()
    await (await lock(inner)).release()
  })

  test('reports a root that does not exist as the system does', async () => {
    await assert.rejects(lock(join(folder, 'none')), { code: 'ENOENT' })
  })

  test('says so where it cannot see others, and still guards the root itself', async () => {
    const root = makeRoot()
    const held = await lock(root, { procRoot: '/nowhere' })
    assert.equal(held.seesOthers, false)
    await assert.rejects(lock(root, { procRoot: '/nowhere' }), inUse(new RegExp(`${process.pid}`)))
    await held.release()
    const seeing = await lock(root)
    assert.equal(seeing.seesOthers, true)
    await seeing.release()
  })

  test('answers each that asks with its process and root, and hangs up', async () => {
    const namespace = testNamespace()
    const root = makeRoot()
    const held = await lock(root, { namespace })
    const { dev, ino } = statSync(root)
    const socket = connect(`\0${namespace}/${dev}:${ino}`)
    const chunks = await socket.toArray()
    assert.deepEqual(JSON.parse(Buffer.concat(chunks).toString()), {
      pid: process.pid,
      root: Buffer.from(root).toString('base64'),
      state: 'held',
    })
    await held.release()
  })

  let namespaces = 0
  const testNamespace = () => `longshore/test-${process.pid}-${namespaces++}`
  const impatient = { askTimeoutMs: 30, patienceMs: 30 }
  const strangerOn = async (name: string, answer: string | undefined): Promise<Server> => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.on('end', () => socket.destroy())
      if (answer !== undefined) socket.end(answer)
    })
    server.listen(`\0${name}`)
    await once(server, 'listening')
    return server
  }

  const answers: readonly (readonly [string, string | undefined])[] = [
    ['does not answer', undefined],
    ['answers nothing', ''],
    ['answers nonsense', 'hello\n'],
    ['answers with a relative root', '{"pid":1,"root":"YQ==","state":"held"}\n'],
    ['answers in an unknown state', '{"pid":1,"root":"L2E=","state":"new"}\n'],
    ['answers without an end', 'x'.repeat(40_000)],
  ]
  for (const [what, answer] of answers) {
    test(`gives way to one on the same file system that ${what}, and ignores it on others`, async () => {
      const namespace = testNamespace()
      const root = makeRoot()
      const { dev } = statSync(root)
      const elsewhere = await strangerOn(`${namespace}/${dev + 1}:1`, answer)
      await (await lock(root, { namespace, ...impatient })).release()
      const stranger = await strangerOn(`${namespace}/${dev}:1`, answer)
      await assert.rejects(lock(root, { namespace, ...impatient }), inUse(/does not answer/))
      elsewhere.close()
      stranger.close()
    })
  }

  test('gives way to a stranger that has taken its name and does not answer', async () => {
    const namespace = testNamespace()
    const root = makeRoot()
    const { dev, ino } = statSync(root)
    const stranger = await strangerOn(`${namespace}/${dev}:${ino}`, undefined)
    await assert.rejects(lock(root, { namespace, ...impatient }), inUse(/does not answer/))
    stranger.close()
  })

  test('waits for one that is starting with less priority, and takes over when it is gone', async () => {
    const namespace = testNamespace()
    const root = makeRoot()
    const { dev } = statSync(root)
    const answer = { pid: 1, root: Buffer.from(root).toString('base64'), state: 'starting' }
    // The greater name has less priority: ':9' sorts behind every inode that has more digits.
    const loser = await strangerOn(`${namespace}/${dev}:99999999999`, `${JSON.stringify(answer)}\n`)
    const waiting = lock(root, { namespace, patienceMs: 60_000 })
    await once(loser, 'connection')
    loser.close()
    await (await waiting).release()
  })
})
