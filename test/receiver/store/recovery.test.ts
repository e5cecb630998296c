import assert from 'node:assert/strict'
import { cp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Catalog, MessageEntry } from '../../../src/receiver/store/catalog.ts'
import { nullCatalog } from '../../../src/receiver/store/null-catalog.ts'
import { encodeRecordHead, segmentMagic } from '../../../src/receiver/store/record.ts'
import { recover } from '../../../src/receiver/store/recovery.ts'
import type { SegmentStore } from '../../../src/receiver/store/segment-store.ts'
import { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
import { type BuiltMessage, buildMessage } from '../../support/message.ts'
import { MemorySegmentStore } from '../support/memory-segment-store.ts'
import {
  incoming,
  ingestInto,
  newStores,
  openStores,
  readAll,
  temporaryFolder,
} from '../support/stores.ts'

/** Remembers what was entered, so that a catalog can be made that knows a part of it. */
class RecordingCatalog {
  readonly entries: MessageEntry[] = []
  readonly inner: SqliteCatalog

  constructor(inner: SqliteCatalog) {
    this.inner = inner
  }

  get asCatalog(): Catalog {
    return {
      ...nullCatalog,
      enter: async (messages) => {
        const isNew = await this.inner.enter(messages)
        this.entries.push(...messages)
        return isNew
      },
    }
  }
}

function memoryCatalog(t: TestContext): SqliteCatalog {
  const catalog = SqliteCatalog.open(':memory:', { readOnly: false })
  t.after(() => catalog.close())
  return catalog
}

/** Three messages, one with a file that is rejected and one with an empty file. */
const messages = [
  buildMessage([
    { path: '/a/1', bytes: 'one' },
    { path: '/a/2', bytes: '' },
  ]),
  buildMessage([
    { path: '/a/3', bytes: 'wrong', declaredDigest: '00'.repeat(32) },
    { path: '/a/4', bytes: 'four' },
  ]),
  buildMessage([{ path: '/b/\xff', bytes: 'LSRH LSRT LONGSEG1 is only content' }]),
]
const contents = [['one', ''], ['four'], ['LSRH LSRT LONGSEG1 is only content']]

interface Built {
  readonly segments: ReadonlyMap<number, Buffer>
  readonly entries: readonly MessageEntry[]
}

/** The three messages in one shared segment, taken in one after another. */
async function buildSegments(t: TestContext): Promise<Built> {
  const segments = new MemorySegmentStore()
  const catalog = new RecordingCatalog(memoryCatalog(t))
  const ingest = ingestInto({ segments, catalog: catalog.asCatalog })
  for (const message of messages) {
    await ingest.take(incoming(message))
  }
  return { segments: segments.segments, entries: catalog.entries }
}

async function storedTexts(segments: SegmentStore, catalog: SqliteCatalog): Promise<string[]> {
  return (await readAll(segments, catalog)).map(({ bytes }) => String(bytes)).sort()
}

function textsOf(count: number): string[] {
  return contents.slice(0, count).flat().sort()
}

/** Where a segment is cut: near its own and each record's ends at every byte, else at every third. */
function cutsOf(ends: readonly number[], wholeBytes: number): number[] {
  return Array.from({ length: wholeBytes + 1 }, (_, size) => size).filter(
    (size) => size % 3 === 0 || ends.some((end) => Math.abs(end - size) <= 16),
  )
}

for (const known of [0, 1, 2, 3]) {
  test(`invariants 2 and 3: with ${known} of 3 messages in the catalog, a segment may be cut anywhere behind them.`, async (t) => {
    const { segments: built, entries } = await buildSegments(t)
    const whole = built.get(1)!
    const ends = [0, ...entries.map(({ recordEnd }) => recordEnd)]
    for (const size of cutsOf(ends, whole.length).filter((cut) => cut >= ends[known]!)) {
      const segments = new MemorySegmentStore(new Map([[1, whole.subarray(0, size)]]))
      const catalog = SqliteCatalog.open(':memory:', { readOnly: false })
      await catalog.enter(entries.slice(0, known))
      await catalog.markComplete()
      const survivors = ends.filter((end) => end <= size).length - 1
      const report = await recover(segments, catalog)
      const where = `cut at ${size}`
      assert.deepEqual(await storedTexts(segments, catalog), textsOf(survivors), where)
      assert.equal(report.enteredMessages, survivors - known, where)
      assert.deepEqual(report.damaged, [], where)
      const goodEnd = survivors > 0 ? ends[survivors]! : size < 8 ? 0 : 8
      assert.equal(report.cutBytes, size - goodEnd, where)
      assert.deepEqual(
        await segments.list(),
        survivors === 0 ? [] : [{ segmentId: 1, sizeBytes: ends[survivors] }],
        where,
      )
      // At the next start there is nothing left to do.
      assert.deepEqual(
        await recover(segments, catalog),
        { enteredMessages: 0, cutBytes: 0, damaged: [] },
        where,
      )
      assert.deepEqual(await storedTexts(segments, catalog), textsOf(survivors), where)
      await catalog.close()
    }
  })
}

test('invariant 3: without a catalog all of it is made anew from segments cut anywhere, and nothing is cut.', async (t) => {
  const { segments: built, entries } = await buildSegments(t)
  const whole = built.get(1)!
  const ends = [0, ...entries.map(({ recordEnd }) => recordEnd)]
  for (const size of cutsOf(ends, whole.length)) {
    const segments = new MemorySegmentStore(new Map([[1, whole.subarray(0, size)]]))
    const catalog = SqliteCatalog.open(':memory:', { readOnly: false })
    const survivors = ends.filter((end) => end <= size).length - 1
    const report = await recover(segments, catalog)
    const where = `cut at ${size}`
    assert.deepEqual(await storedTexts(segments, catalog), textsOf(survivors), where)
    assert.equal(report.cutBytes, 0, where)
    const isWhole = ends.includes(size) || size === segmentMagic.length
    const goodEnd = survivors === 0 ? (size < 8 ? 0 : 8) : ends[survivors]!
    assert.deepEqual(report.damaged, isWhole ? [] : [{ segmentId: 1, fromByte: goodEnd }], where)
    assert.deepEqual(segments.segments.get(1), whole.subarray(0, size), where)
    // The next start leaves the damage alone, and says nothing of it.
    assert.ok(catalog.complete)
    if (isWhole) {
      await catalog.close()
      continue
    }
    assert.deepEqual(await recover(segments, catalog), {
      enteredMessages: 0,
      cutBytes: 0,
      damaged: [],
    })
    assert.deepEqual(segments.segments.get(1), whole.subarray(0, size), where)
    assert.deepEqual(await storedTexts(segments, catalog), textsOf(survivors), where)
    await catalog.close()
  }
})

test('invariant 3: a message with damaged bytes costs a new catalog that message, not those behind it.', async (t) => {
  const { segments: built, entries } = await buildSegments(t)
  const bytes = Buffer.from(built.get(1)!)
  const inSecond = bytes.indexOf('four')
  bytes[inSecond]! ^= 1
  const segments = new MemorySegmentStore(new Map([[1, bytes]]))
  const catalog = memoryCatalog(t)
  const report = await recover(segments, catalog)
  assert.deepEqual(await storedTexts(segments, catalog), [...contents[0]!, ...contents[2]!].sort())
  assert.deepEqual(report.damaged, [{ segmentId: 1, fromByte: entries[1]!.recordOffset }])
  assert.deepEqual(segments.segments.get(1), bytes)
  const { damaged, cutBytes } = await recover(segments, catalog)
  assert.deepEqual({ damaged, cutBytes }, { damaged: [], cutBytes: 0 })
  assert.deepEqual(segments.segments.get(1), bytes)
})

test('invariant 9: what stands in a file is never taken for a record, however damaged the segment is.', async (t) => {
  const { segments: built } = await buildSegments(t)
  // A whole record of another machine, as the content of a file.
  const forged = built.get(1)!.subarray(segmentMagic.length)
  const segments = new MemorySegmentStore()
  const builder = memoryCatalog(t)
  const message = buildMessage([{ path: '/evil', bytes: forged }])
  await ingestInto({ segments, catalog: builder }).take(incoming(message, { machine: 'evil' }))
  const whole = segments.segments.get(1)!
  const contentAt = whole.indexOf(forged)
  for (const broken of [9, 20, contentAt - 1, whole.length - 1]) {
    const bytes = Buffer.from(whole)
    bytes[broken]! ^= 0xff
    const damagedStore = new MemorySegmentStore(new Map([[1, bytes]]))
    const catalog = memoryCatalog(t)
    assert.equal((await recover(damagedStore, catalog)).damaged.length, 1)
    assert.deepEqual([...catalog.files()], [])
  }
})

test('invariant 3: acknowledged bytes that are gone are reported, at each start.', async (t) => {
  const { segments: built, entries } = await buildSegments(t)
  const segments = new MemorySegmentStore(new Map([[1, built.get(1)!.subarray(0, 100)]]))
  const catalog = memoryCatalog(t)
  await catalog.enter(entries)
  await catalog.enter([{ ...entries[0]!, machine: 'other', segmentId: 5 }])
  await catalog.markComplete()
  for (let start = 0; start < 2; start += 1) {
    assert.deepEqual((await recover(segments, catalog)).damaged, [
      { segmentId: 1, fromByte: 100 },
      { segmentId: 5, fromByte: 0 },
    ])
  }
  assert.equal(segments.segments.get(1)!.length, 100)
})

test('invariant 3: a record that is in a segment twice is listed once.', async (t) => {
  const { segments: built, entries } = await buildSegments(t)
  const whole = built.get(1)!
  const twice = Buffer.concat([whole, whole.subarray(segmentMagic.length)])
  for (const isComplete of [true, false]) {
    const segments = new MemorySegmentStore(new Map([[1, twice]]))
    const catalog = memoryCatalog(t)
    if (isComplete) await catalog.markComplete()
    const report = await recover(segments, catalog)
    assert.equal(report.enteredMessages, entries.length)
    assert.deepEqual(await storedTexts(segments, catalog), textsOf(3))
    assert.deepEqual(report.damaged, [])
  }
})

test('What is taken over is synced before it is entered.', async (t) => {
  const { segments: built } = await buildSegments(t)
  const segments = new MemorySegmentStore(built)
  const catalog = memoryCatalog(t)
  await catalog.markComplete()
  const steps: string[] = []
  segments.sync = async (segmentId) => {
    steps.push(`sync ${segmentId}`)
  }
  await recover(segments, {
    ...nullCatalog,
    enter: async (entries) => {
      steps.push('enter')
      return catalog.enter(entries)
    },
  })
  assert.deepEqual(steps, ['sync 1', 'enter'])
})

/** A message of one file of 1.5 MiB. */
function largeMessage(): BuiltMessage {
  return buildMessage([{ path: '/big', bytes: Buffer.alloc(1_500_000, 'big') }])
}

async function segmentNames(folder: string): Promise<string[]> {
  return readdir(join(folder, 'segments'))
}

test('A large upload that broke off with the receiver is gone after the next start.', async (t) => {
  const folder = await temporaryFolder(t)
  const message = largeMessage()
  const head = encodeRecordHead({
    machine: 'robot',
    uploadId: message.uploadId,
    receivedAtMs: 1,
    contentType: message.contentType,
    contentDisposition: '',
    messageBytes: message.body.length,
  })
  const first = await openStores(folder)
  await first.catalog.markComplete()
  await ingestInto(first).take(incoming(buildMessage([{ path: '/kept', bytes: 'kept' }])))
  for (const bytes of [0, 1, 1_000_000, message.body.length]) {
    const own = await first.segments.startOwnSegment()
    if (bytes > 0) await own.write([segmentMagic, head, message.body.subarray(0, bytes)])
    await own.finish()
  }
  await first.close()
  assert.equal((await segmentNames(folder)).length, 5)
  const second = await openStores(folder)
  t.after(() => second.close())
  const report = await recover(second.segments, second.catalog)
  assert.equal(report.damaged.length, 0)
  assert.equal(report.enteredMessages, 0)
  assert.deepEqual(await segmentNames(folder), ['000000000001.seg'])
  const stored = await readAll(second.segments, second.catalog)
  assert.deepEqual(
    stored.map(({ path, bytes }) => [path, String(bytes)]),
    [['/kept', 'kept']],
  )
})

test('invariant 3: a large upload that was durable, but not in the catalog, is entered once; a second copy of it is removed.', async (t) => {
  const folder = await temporaryFolder(t)
  const message = largeMessage()
  const first = await openStores(folder)
  await first.catalog.markComplete()
  const catalog: Catalog = {
    ...nullCatalog,
    enter: async () => {
      throw new Error('the process ends here')
    },
  }
  const leftOver: unknown[] = []
  const ingest = ingestInto(
    { segments: first.segments, catalog },
    { onLeftOver: (error) => leftOver.push(error) },
  )
  for (let time = 0; time < 2; time += 1) {
    await assert.rejects(ingest.take(incoming(message, { single: true })))
  }
  assert.equal(leftOver.length, 2)
  await first.close()
  assert.equal((await segmentNames(folder)).length, 2)

  const second = await openStores(folder)
  t.after(() => second.close())
  assert.equal((await recover(second.segments, second.catalog)).enteredMessages, 1)
  assert.equal((await segmentNames(folder)).length, 1)
  const stored = await readAll(second.segments, second.catalog)
  assert.deepEqual(
    stored.map(({ digest }) => digest),
    message.digests,
  )
  assert.ok(stored[0]!.bytes.equals(Buffer.alloc(1_500_000, 'big')))
  const [outcome] = (await ingestInto(second).take(incoming(message, { single: true }))) ?? []
  assert.equal(outcome?.status, 'already_stored')
  assert.equal((await segmentNames(folder)).length, 1)
})

test('invariants 2 and 3: a real data folder whose last segment is cut comes back with all that was acknowledged.', async (t) => {
  const { folder, ...stores } = await newStores(t)
  const ingest = ingestInto(stores)
  for (const message of messages.slice(0, 2)) await ingest.take(incoming(message))
  const name = join('segments', '000000000001.seg')
  const acknowledgedBytes = (await stat(join(folder, name))).size
  // The third: in the segment, but neither in the catalog nor acknowledged.
  const broken: Catalog = { ...nullCatalog, enter: () => Promise.reject(new Error('broken')) }
  await assert.rejects(
    ingestInto({ segments: stores.segments, catalog: broken }).take(incoming(messages[2]!)),
  )
  await stores.close()
  const fullBytes = (await stat(join(folder, name))).size
  assert.ok(fullBytes > acknowledgedBytes)
  for (const size of [acknowledgedBytes, acknowledgedBytes + 20, fullBytes - 1, fullBytes]) {
    const copy = await temporaryFolder(t)
    await cp(folder, copy, { recursive: true })
    await truncate(join(copy, name), size)
    const again = await openStores(copy)
    const survivors = size === fullBytes ? 3 : 2
    assert.deepEqual(await recover(again.segments, again.catalog), {
      enteredMessages: survivors - 2,
      cutBytes: survivors === 3 ? 0 : size - acknowledgedBytes,
      damaged: [],
    })
    assert.deepEqual(await storedTexts(again.segments, again.catalog), textsOf(survivors))
    const keptBytes = survivors === 3 ? fullBytes : acknowledgedBytes
    assert.equal((await stat(join(copy, name))).size, keptBytes)
    // What was lost is sent again, and what was not is known.
    const outcomes: (string | undefined)[] = []
    for (const message of messages) {
      const taken = (await ingestInto(again).take(incoming(message))) ?? []
      outcomes.push(taken.at(-1)?.status)
    }
    const third = survivors === 3 ? 'already_stored' : 'stored'
    assert.deepEqual(outcomes, ['already_stored', 'already_stored', third])
    assert.deepEqual(await storedTexts(again.segments, again.catalog), textsOf(3))
    await again.close()
  }
})

test('A data folder without its catalog gets the same listing again.', async (t) => {
  const { folder, ...stores } = await newStores(t)
  const ingest = ingestInto(stores)
  for (const message of messages) await ingest.take(incoming(message))
  await ingest.take(incoming(largeMessage(), { single: true }))
  const before = await readAll(stores.segments, stores.catalog)
  await stores.close()
  for (const name of await readdir(folder)) {
    if (name.startsWith('catalog')) await rm(join(folder, name))
  }
  const again = await openStores(folder)
  t.after(() => again.close())
  const report = await recover(again.segments, again.catalog)
  assert.deepEqual(report, { enteredMessages: 4, cutBytes: 0, damaged: [] })
  assert.deepEqual(await readAll(again.segments, again.catalog), before)
})

test('A file among the segments that never was one is reported by a new catalog, and never removed.', async (t) => {
  const folder = await temporaryFolder(t)
  const stores = await openStores(folder)
  t.after(() => stores.close())
  const file = join(folder, 'segments', '000000000004.seg')
  await writeFile(file, 'somebody put this here')
  assert.deepEqual((await recover(stores.segments, stores.catalog)).damaged, [
    { segmentId: 4, fromByte: 0 },
  ])
  assert.deepEqual((await recover(stores.segments, stores.catalog)).damaged, [])
  assert.equal((await stat(file)).size, 22)
})
