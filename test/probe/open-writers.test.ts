import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { lookUpOpenWriters, type OpenWriters } from '../../src/probe/open-writers.ts'
import { FakeProc } from './fake-proc.ts'

const folder = mkdtempSync(join(tmpdir(), 'longshore-writers-'))
after(() => rmSync(folder, { recursive: true }))

const hasFile = (writers: OpenWriters, path: string) => {
  const { dev, ino } = statSync(path, { bigint: true })
  return writers.has(dev, ino)
}

describe('lookUpOpenWriters on this machine', () => {
  test('finds files open for writing, reading and writing, or appending, until they are closed', async () => {
    for (const flags of ['w', 'r+', 'a']) {
      const path = join(folder, `own-${flags}`)
      writeFileSync(path, '')
      const fd = openSync(path, flags)
      assert.equal(hasFile(await lookUpOpenWriters(), path), true, flags)
      closeSync(fd)
      assert.equal(hasFile(await lookUpOpenWriters(), path), false, `${flags}, closed`)
    }
  })

  test('does not count readers', async () => {
    const path = join(folder, 'read')
    writeFileSync(path, '')
    const fd = openSync(path, 'r')
    assert.equal(hasFile(await lookUpOpenWriters(), path), false)
    closeSync(fd)
  })

  test('finds the writer in another process, and no more when that has ended', async () => {
    const path = join(folder, 'other')
    const child = spawn('/bin/sh', ['-c', 'exec 3>>"$1"; echo open; read line', 'sh', path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    assert.equal(hasFile(await lookUpOpenWriters(), path), true)
    child.stdin.end()
    await once(child, 'exit')
    assert.equal(hasFile(await lookUpOpenWriters(), path), false)
  })

  test('counts the processes that it may not look into, which for others than root are more', async () => {
    const own = await lookUpOpenWriters()
    const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length
    assert.ok(own.blindTo < processes, 'sees at least its own process')
    if (process.geteuid?.() !== 0) return
    process.seteuid?.(65534)
    try {
      assert.ok((await lookUpOpenWriters()).blindTo > own.blindTo)
    } finally {
      process.seteuid?.(0)
    }
  })
})

describe('lookUpOpenWriters on a made-up /proc', () => {
  let proc: FakeProc
  beforeEach(() => {
    proc = new FakeProc()
  })
  afterEach(() => proc.remove())
  const look = () => lookUpOpenWriters({ procRoot: proc.root })

  test('goes by the access mode alone, whatever other flags there are', async () => {
    const seenWith = async (flags: string) => {
      proc.remove()
      proc = new FakeProc()
      const target = proc.file('a', '')
      proc.add(1, { fds: { 5: { flags, target } } })
      return hasFile(await look(), target)
    }
    assert.equal(await seenWith('0100000'), false)
    assert.equal(await seenWith('02500000'), false)
    assert.equal(await seenWith('010000000'), false)
    assert.equal(await seenWith('0100001'), true)
    assert.equal(await seenWith('02102002'), true)
  })

  test('knows files apart by device and inode, not by name', async () => {
    const target = proc.file('a', '')
    proc.add(1, { fds: { 5: { flags: '02', target } } })
    const { dev, ino } = statSync(target, { bigint: true })
    const writers = await look()
    assert.equal(writers.has(dev, ino), true)
    assert.equal(writers.has(dev + 1n, ino), false)
    assert.equal(writers.has(dev, ino + 1n), false)
  })

  test('passes over processes and descriptors that are gone by the time they are looked at', async () => {
    const target = proc.file('a', '')
    proc.add(1, {
      fds: { 3: { flags: '02', target: '/nowhere/at/all' }, 4: { flags: '02', target } },
    })
    rmSync(join(proc.add(2), 'fdinfo'), { recursive: true })
    const writers = await look()
    assert.equal(hasFile(writers, target), true)
    assert.equal(writers.blindTo, 0)
  })

  const refuse = (pid: number, stat: string) => {
    const fdinfo = join(proc.add(pid, { stat }), 'fdinfo')
    rmSync(fdinfo, { recursive: true })
    // Not a directory: like a refusal, and unlike one it works on root too.
    writeFileSync(fdinfo, '')
  }

  test('counts a process as unseen that does not let us look', async () => {
    proc.add(1)
    refuse(2, '2 (a) S) S 1 1 1 0 -1 4194560')
    refuse(3, '3 (b) S 1 1 1 0 -1 4194560')
    assert.equal((await look()).blindTo, 2)
  })

  test('does not count kernel threads and zombies as unseen', async () => {
    proc.add(1)
    refuse(2, '2 (kthreadd) S 0 0 0 0 -1 2129984')
    refuse(3, '3 (gone) Z 1 1 1 0 -1 4194560')
    assert.equal((await look()).blindTo, 0)
  })

  test('counts as unseen what /proc hides, shown by process 1 being missing', async () => {
    proc.add(77)
    assert.equal((await look()).blindTo, 1)
  })

  test('rejects without a /proc', async () => {
    await assert.rejects(lookUpOpenWriters({ procRoot: '/nowhere' }), { code: 'ENOENT' })
  })

  test('lets others run between slices of 10 ms, and is as old as its beginning', async () => {
    proc.add(1)
    for (let pid = 2; pid < 40; pid++) proc.add(pid)
    let nowMs = 1000
    let turns = 0
    let isOver = false
    const count = () => {
      turns++
      if (!isOver) setImmediate(count)
    }
    setImmediate(count)
    const clock = { ...systemClock, monotonicMs: () => (nowMs += 4) }
    const writers = await lookUpOpenWriters({ procRoot: proc.root, clock })
    isOver = true
    assert.equal(writers.takenAtMs, 1004)
    assert.ok(turns >= 5, `${turns} turns in ${nowMs - 1000} ms`)
  })
})
