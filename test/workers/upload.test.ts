import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { blake3 } from '../../src/base/hash.ts'
import type { ShardFile, ShardResult } from '../../src/wire/thread-messages.ts'
import { BundleBuffers } from '../../workers/bundle-buffers.ts'
import { Labeller } from '../../workers/labels.ts'
import { Lane } from '../../workers/lane.ts'
import { probe } from '../../workers/probe.ts'
import { UnfinishedUploads } from '../../workers/unfinished-uploads.ts'
import { uploadBundle } from '../../workers/upload-bundle.ts'
import { uploadSingle } from '../../workers/upload-single.ts'
import { captureFile } from '../support/capture-file.ts'
import { shardFile } from '../support/shard-file.ts'
import { startTestReceiver, type TestReceiver } from '../support/test-receiver.ts'

let receiver: TestReceiver
let lane: Lane
let folder: string
const labeller = new Labeller(['from-config'])
const buffers = new BundleBuffers()
const unfinished = new UnfinishedUploads()

before(async () => {
  receiver = await startTestReceiver()
  lane = new Lane({ ...receiver, stallMs: 60_000 })
  folder = mkdtempSync(join(tmpdir(), 'longshore-test-workers-'))
})

after(async () => {
  await lane.destroy(new Error('the test is over'))
  await receiver.close()
  rmSync(folder, { recursive: true, force: true })
})

function writeFile(name: string, bytes: Buffer): ShardFile {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return shardFile(path, folder)
}

function bundle(...files: ShardFile[]): Promise<ShardResult> {
  return uploadBundle({ id: 1, kind: 'bundle', files }, lane, labeller, buffers)
}

const hooks = { onSent: () => {}, onStoppable: () => {} }

function single(file: ShardFile, more: Partial<typeof hooks> = {}): Promise<ShardResult> {
  return uploadSingle(file, { lane, labeller, unfinished }, { ...hooks, ...more })
}

async function storedBytes(file: ShardFile): Promise<Buffer[]> {
  const stored = await receiver.stored()
  return stored.filter(({ path }) => path === file.path).map(({ bytes }) => bytes)
}

describe('a bundle', () => {
  test('arrives with every byte, and names what was read here', async () => {
    const contents = [randomBytes(1), randomBytes(4096), randomBytes(300_000)]
    const files = contents.map((bytes, index) => writeFile(`bundle-${index}`, bytes))
    const result = await bundle(...files)
    assert.equal(result.failure, undefined)
    for (const [index, file] of files.entries()) {
      const each = result.files[index]!
      assert.ok(each.status === 'answered')
      assert.equal(each.outcome.status, 'stored')
      assert.equal(each.digest, blake3(contents[index]!))
      assert.equal(each.outcome.digest, each.digest)
      assert.equal(each.outcome.sizeBytes, file.sizeBytes)
      assert.deepEqual(await storedBytes(file), [contents[index]])
    }
  })

  test('invariant 3: a file that is offered again is already stored, and stored once', async () => {
    const file = writeFile('again', randomBytes(5000))
    await bundle(file)
    const result = await bundle(file)
    const [again] = result.files
    assert.ok(again?.status === 'answered')
    assert.equal(again.outcome.status, 'already_stored')
    assert.equal((await storedBytes(file)).length, 1)
  })

  test('a new version of a path is stored beside the old one', async () => {
    const file = writeFile('versions', Buffer.from('one'))
    await bundle(file)
    const next = writeFile('versions', Buffer.from('two'))
    await bundle(next)
    assert.deepEqual((await storedBytes(file)).map(String).sort(), ['one', 'two'])
  })

  test('invariant 4: files that cannot be read leave the others alone', async () => {
    const good = writeFile('good', randomBytes(100))
    const gone = writeFile('gone', randomBytes(100))
    rmSync(join(folder, 'gone'))
    const grown = writeFile('grown', randomBytes(100))
    appendFileSync(join(folder, 'grown'), 'more')
    const linked = writeFile('linked', randomBytes(100))
    rmSync(join(folder, 'linked'))
    symlinkSync(join(folder, 'good'), join(folder, 'linked'))
    const replaced = writeFile('replaced', randomBytes(100))
    writeFileSync(join(folder, 'other'), randomBytes(100))
    renameSync(join(folder, 'other'), join(folder, 'replaced'))
    const result = await bundle(gone, good, grown, linked, replaced)
    assert.deepEqual(
      result.files.map(({ status }) => status),
      ['gone', 'answered', 'changed', 'changed', 'changed'],
    )
    assert.deepEqual(await storedBytes(grown), [])
  })

  test('of which nothing is left is not sent', async () => {
    const gone = writeFile('all-gone', randomBytes(10))
    rmSync(join(folder, 'all-gone'))
    assert.deepEqual(await bundle(gone), { files: [{ status: 'gone' }], failure: undefined })
  })

  test('carries labels from the path, the config and the header of a capture file', async () => {
    const header = {
      componentType: 'rdk:component:camera',
      componentName: 'front',
      methodName: 'ReadImage',
      type: 1,
      mimeType: 'image/jpeg',
      tags: ['from-header'],
      methodParameters: { reader: 'x' },
    }
    const file = writeFile('x.capture', captureFile(header, [{ binary: randomBytes(50) }]))
    await bundle(file)
    const stored = (await receiver.stored()).find(({ path }) => path === file.path)
    assert.equal(stored?.labels.contentType, 'image/jpeg')
    assert.deepEqual(stored?.labels.tags, ['from-config', 'from-header'])
    assert.equal(stored?.labels.capture?.componentName, 'front')
    assert.equal(stored?.labels.capture?.methodParameters[0]?.name, 'reader')
  })
})

describe('a large file', () => {
  test('arrives with every byte, at sizes around the read size', async () => {
    for (const sizeBytes of [1_048_577, 262_144 * 5, 262_144 * 5 + 1, 9_999_999]) {
      const bytes = randomBytes(sizeBytes)
      const file = writeFile(`large-${sizeBytes}`, bytes)
      let sentBytes = 0
      const result = await single(file, {
        onSent: (size: number) => {
          sentBytes += size
        },
      } as Partial<typeof hooks>)
      const [only] = result.files
      assert.ok(only?.status === 'answered', JSON.stringify(result.failure))
      assert.equal(only.outcome.status, 'stored')
      assert.equal(only.digest, blake3(bytes))
      assert.ok(sentBytes > sizeBytes)
      assert.ok((await storedBytes(file))[0]?.equals(bytes))
    }
  })

  test('invariant 1: that changes while it is sent is not stored', async () => {
    const file = writeFile('growing', randomBytes(8_000_000))
    let touched = false
    const result = await single(file, {
      onSent: () => {
        if (touched) return
        touched = true
        appendFileSync(join(folder, 'growing'), 'more')
      },
    } as Partial<typeof hooks>)
    assert.deepEqual(result.files, [{ status: 'changed' }])
    assert.deepEqual(await storedBytes(file), [])
  })

  test('invariant 1: that is replaced while it is sent is not stored', async () => {
    const file = writeFile('replaced-large', randomBytes(8_000_000))
    const other = join(folder, 'other-large')
    writeFileSync(other, randomBytes(8_000_000))
    let replaced = false
    const result = await single(file, {
      onSent: () => {
        if (!replaced) renameSync(other, join(folder, 'replaced-large'))
        replaced = true
      },
    } as Partial<typeof hooks>)
    assert.deepEqual(result.files, [{ status: 'changed' }])
    assert.deepEqual(await storedBytes(file), [])
  })

  test('that is truncated while it is sent is not stored, and the connection goes on', async () => {
    const file = writeFile('shrinking', randomBytes(20_000_000))
    let cut = false
    const result = await single(file, {
      onSent: () => {
        if (!cut) writeFileSync(join(folder, 'shrinking'), 'short')
        cut = true
      },
    } as Partial<typeof hooks>)
    assert.deepEqual(result.files, [{ status: 'changed' }])
    const next = await bundle(writeFile('after-shrinking', randomBytes(10)))
    assert.equal(next.files[0]?.status, 'answered')
  })

  test('is stopped in its middle when asked', async () => {
    const file = writeFile('stopped', randomBytes(20_000_000))
    let stop = () => {}
    const result = await single(file, {
      onSent: () => stop(),
      onStoppable: (how: () => void) => {
        stop = how
      },
    } as Partial<typeof hooks>)
    assert.equal(result.failure?.kind, 'stopped')
    assert.deepEqual(await storedBytes(file), [])
  })

  for (const [when, isSameThread] of [
    ['after a break', true],
    ['after a restart of the daemon', false],
  ] as const) {
    test(`invariant 6: goes on ${when} from the byte where it stopped`, async () => {
      const bytes = randomBytes(20_000_000)
      const file = writeFile(`resumed ${when}`, bytes)
      const breaking = { ...receiver, stallMs: 60_000 }
      const tools = { lane: new Lane(breaking), labeller, unfinished: new UnfinishedUploads() }
      let sentBytes = 0
      const first = await uploadSingle(file, tools, {
        onSent: (size) => {
          sentBytes += size
          if (sentBytes > 12_000_000) void tools.lane.destroy(new Error('the link broke'))
        },
        onStoppable: () => {},
      })
      assert.equal(first.failure?.kind, 'connection_lost')
      let resentBytes = 0
      const unfinished = isSameThread ? tools.unfinished : new UnfinishedUploads()
      const again = { ...tools, lane: new Lane(breaking), unfinished }
      const second = await uploadSingle(file, again, {
        onSent: (size) => {
          resentBytes += size
        },
        onStoppable: () => {},
      })
      await again.lane.destroy(new Error('the test is over'))
      const [only] = second.files
      assert.ok(only?.status === 'answered', JSON.stringify(second.failure))
      assert.equal(only.outcome.status, 'stored')
      assert.equal(only.digest, blake3(bytes))
      assert.equal(only.outcome.digest, only.digest)
      assert.ok(resentBytes < 12_000_000, `${resentBytes} bytes were sent again`)
      assert.ok((await storedBytes(file))[0]?.equals(bytes))
    })
  }

  test('invariant 1: that was stored and whose answer was lost is answered for after a restart', async () => {
    const bytes = randomBytes(5_000_000)
    const file = writeFile('answer-lost', bytes)
    await single(file)
    const result = await single(file)
    const [only] = result.files
    assert.ok(only?.status === 'answered', JSON.stringify(result.failure))
    assert.equal(only.outcome.status, 'already_stored')
    assert.equal(only.digest, blake3(bytes))
    assert.equal((await storedBytes(file)).length, 1)
  })

  test('that is not the one the scan saw is not sent', async () => {
    const file = writeFile('older', randomBytes(2_000_000))
    utimesSync(join(folder, 'older'), 1, 1)
    assert.deepEqual((await single(file)).files, [{ status: 'changed' }])
  })
})

test('a probe tells who the receiver is and whom it takes us for', async () => {
  const answer = await probe(lane)
  assert.ok(!('kind' in answer))
  assert.equal(answer.machine, 'robot')
  assert.equal(answer.store, 'folder')
  assert.ok(answer.freeBytes > 0)
})
