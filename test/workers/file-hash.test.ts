import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { identityOf } from '../../src/base/file-identity.ts'
import { blake3 } from '../../src/base/hash.ts'
import { FileHash } from '../../workers/file-hash.ts'
import { HashedFile } from '../../workers/hashed-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'longshore-test-hash-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'file')
const content = randomBytes(2_500_000)
const whole = { digest: blake3(content) }

test('bytes are hashed once and in order, however they are offered', () => {
  const hash = new FileHash()
  const offer = (from: number, to: number) => hash.take(content.subarray(from, to), from)
  offer(100, 200)
  assert.equal(hash.position, 0)
  offer(0, 150)
  offer(0, 50)
  offer(50, 150)
  assert.equal(hash.position, 150)
  offer(100, 1000)
  offer(1001, 2000)
  assert.equal(hash.position, 1000)
  offer(1000, content.length)
  assert.equal(hash.position, content.length)
  assert.equal(hash.digest(), whole.digest)
})

describe('a file that is read in pieces', () => {
  let handle: FileHandle

  beforeEach(async () => {
    writeFileSync(path, content)
    handle = await open(path)
  })

  afterEach(() => handle.close())

  async function hashed(hash = new FileHash()): Promise<HashedFile> {
    const identity = identityOf(await handle.stat({ bigint: true }))
    return new HashedFile({ path: bytePath(path), handle, identity, hash })
  }

  async function read(file: HashedFile, from: number, to: number): Promise<Buffer> {
    const piece = Buffer.alloc(to - from)
    await file.read(piece, from)
    return piece
  }

  test('from its beginning is hashed as it is read', async () => {
    const hash = new FileHash()
    const file = await hashed(hash)
    for (let at = 0; at < content.length; at += 500_000) {
      const piece = await read(file, at, at + 500_000)
      assert.ok(piece.equals(content.subarray(at, at + 500_000)))
      assert.equal(hash.position, at + 500_000)
    }
    assert.deepEqual(await file.wholeHash(), whole)
  })

  test('from its middle, or its end, or not at all is hashed whole', async () => {
    for (const from of [1, 1_000_000, content.length - 1, content.length]) {
      const file = await hashed()
      if (from < content.length) await read(file, from, content.length)
      assert.deepEqual(await file.wholeHash(), whole, `${from}`)
    }
  })

  test('ahead of its hash is followed by it from the disk, before anybody asks for it', async () => {
    const hash = new FileHash()
    const file = await hashed(hash)
    await read(file, 1_000_000, 1_500_000)
    for (let looks = 0; looks < 500 && hash.position < 1_500_000; looks += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    assert.equal(hash.position, 1_500_000)
    await read(file, 1_500_000, content.length)
    assert.equal(hash.position, content.length, 'and has caught up')
  })

  test('by several readers at once, in any order, is hashed right', async () => {
    for (let round = 0; round < 20; round += 1) {
      const file = await hashed()
      const starts = Array.from({ length: 25 }, (_, n) => n * 100_000)
      starts.sort(() => Math.random() - 0.5)
      await Promise.all(starts.map((at) => read(file, at, at + 100_000)))
      assert.deepEqual(await file.wholeHash(), whole)
    }
  })

  test('goes on with the hash of an earlier attempt', async () => {
    const hash = new FileHash()
    const first = await hashed(hash)
    await read(first, 0, 700_000)
    await first.stop()
    assert.deepEqual(await first.wholeHash(), { end: 'stopped' })
    assert.equal(hash.position, 700_000)
    assert.deepEqual(await (await hashed(hash)).wholeHash(), whole)
  })

  test('reads nothing more once it was stopped', async () => {
    const hash = new FileHash()
    const file = await hashed(hash)
    const hashing = file.wholeHash()
    await file.stop()
    assert.deepEqual(await hashing, { end: 'stopped' })
    const { position } = hash
    assert.ok(position < content.length)
    await read(file, position, position + 10)
    assert.equal(hash.position, position)
  })

  test('invariant 1: and is shorter than it was has changed', async () => {
    const file = await hashed()
    truncateSync(path, 1_000_000)
    assert.deepEqual(await file.wholeHash(), { end: 'changed' })
    assert.equal(file.end, 'changed')
  })

  test('invariant 1: and is replaced under its name has changed', async () => {
    const file = await hashed()
    await read(file, 0, content.length)
    rmSync(path)
    writeFileSync(path, content)
    assert.deepEqual(await file.wholeHash(), { end: 'changed' })
  })
})
