import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { SegmentStore } from '../../../src/receiver/store/segment-store.ts'

export interface StoreUnderTest {
  readonly name: string
  /** A new and empty store, which is closed after the test. */
  open(t: TestContext): Promise<SegmentStore>
}

const bytes = (text: string) => Buffer.from(text)

/** What every store does, also one that keeps nothing. */
export function testsOfAnyStore({ name, open }: StoreUnderTest): void {
  test(`${name}: a new store lists nothing.`, async (t) => {
    assert.deepEqual(await (await open(t)).list(), [])
  })

  test(`${name}: each appended record gets its place, in order.`, async (t) => {
    const store = await open(t)
    const records = [[bytes('one')], [bytes('tw'), bytes('o')], [bytes('three')]]
    assert.equal((await store.appendDurably(records)).length, 3)
  })

  test(`${name}: an own segment can be written and finished.`, async (t) => {
    const segment = await (await open(t)).startOwnSegment()
    await segment.write([bytes('a'), bytes('b')])
    await segment.write([bytes('c')])
    await segment.finish()
  })

  test(`${name}: an own segment can be discarded at any time.`, async (t) => {
    const store = await open(t)
    const [fresh, written, finished] = [
      await store.startOwnSegment(),
      await store.startOwnSegment(),
      await store.startOwnSegment(),
    ]
    await written.write([bytes('a')])
    await finished.write([bytes('a')])
    await finished.finish()
    for (const segment of [fresh, written, finished]) await segment.discard()
    assert.deepEqual(await store.list(), [])
  })

  test(`${name}: nothing is wrong with closing it at once.`, async (t) => {
    await (await open(t)).close()
  })
}

/** What a store does that keeps what it was given. */
export function testsOfKeepingStore(store: StoreUnderTest): void {
  testsOfAnyStore(store)
  const { name, open } = store

  test(`${name}: what was appended is read back from its place.`, async (t) => {
    const segments = await open(t)
    const texts = ['one', 'two', 'three', 'four']
    const first = await segments.appendDurably([[bytes('o'), bytes('ne')], [bytes('two')]])
    const second = await segments.appendDurably([[bytes('three')], [bytes(''), bytes('four')]])
    const places = [...first, ...second]
    for (const [index, { segmentId, offset }] of places.entries()) {
      const text = texts[index]!
      assert.equal(String(await segments.read(segmentId, offset, text.length)), text)
    }
    assert.deepEqual(
      places.map(({ offset }) => offset - places[0]!.offset),
      [0, 3, 6, 11],
    )
  })

  test(`${name}: reading ends at the end of the segment.`, async (t) => {
    const segments = await open(t)
    const [place] = await segments.appendDurably([[bytes('abc')]])
    const { segmentId, offset } = place!
    assert.equal(String(await segments.read(segmentId, offset, 100)), 'abc')
    assert.equal(String(await segments.read(segmentId, offset + 3, 100)), '')
    assert.equal(String(await segments.read(segmentId, offset + 1000, 100)), '')
  })

  test(`${name}: a segment that does not exist cannot be read.`, async (t) => {
    await assert.rejects((await open(t)).read(4711, 0, 1))
  })

  test(`${name}: an own segment holds what was written and nothing else.`, async (t) => {
    const segments = await open(t)
    await segments.appendDurably([[bytes('shared')]])
    const own = await segments.startOwnSegment()
    await own.write([bytes('ab'), bytes('c')])
    await segments.appendDurably([[bytes('shared')]])
    await own.write([bytes('def')])
    await own.finish()
    assert.equal(String(await segments.read(own.segmentId, 0, 100)), 'abcdef')
  })

  test(`${name}: finished segments are listed with their sizes, oldest first.`, async (t) => {
    const segments = await open(t)
    const [shared] = await segments.appendDurably([[bytes('abc')]])
    const first = await segments.startOwnSegment()
    const second = await segments.startOwnSegment()
    const unfinished = await segments.startOwnSegment()
    await second.write([bytes('12')])
    await first.write([bytes('1')])
    await unfinished.write([bytes('123')])
    await second.finish()
    await first.finish()
    assert.deepEqual(await segments.list(), [
      { segmentId: shared!.segmentId, sizeBytes: shared!.offset + 3 },
      { segmentId: first.segmentId, sizeBytes: 1 },
      { segmentId: second.segmentId, sizeBytes: 2 },
    ])
    for (const own of [first, second, unfinished]) await own.discard()
  })

  test(`${name}: the beginning of an own segment can be read and written over and its end cut away, also after a rest.`, async (t) => {
    const segments = await open(t)
    const own = await segments.startOwnSegment()
    await own.write([bytes('abc'), bytes('def')])
    await own.checkpoint()
    await own.release()
    await own.overwriteStart(bytes('AB'))
    assert.equal(String(await own.readStart(4)), 'ABcd')
    assert.equal(String(await own.readStart(100)), 'ABcdef')
    await own.write([bytes('and too much')])
    await own.cutTo(6)
    assert.equal(own.sizeBytes, 6)
    await own.write([bytes('ghi')])
    assert.equal(own.sizeBytes, 9)
    await own.finish()
    assert.equal(String(await segments.read(own.segmentId, 0, 100)), 'ABcdefghi')
  })

  test(`${name}: a segment can be cut, and removed.`, async (t) => {
    const segments = await open(t)
    const own = await segments.startOwnSegment()
    await own.write([bytes('abcdef')])
    await own.finish()
    assert.equal(String(await segments.read(own.segmentId, 0, 100)), 'abcdef')
    await segments.sync(own.segmentId, 3)
    await segments.truncate(own.segmentId, 2)
    assert.equal(String(await segments.read(own.segmentId, 0, 100)), 'ab')
    await segments.remove(own.segmentId)
    assert.deepEqual(await segments.list(), [])
  })

  test(`${name}: many pieces of a record are written as one.`, async (t) => {
    const segments = await open(t)
    const pieces = Array.from({ length: 5000 }, (_, index) => bytes(String(index % 10)))
    const [place] = await segments.appendDurably([pieces])
    const { segmentId, offset } = place!
    assert.deepEqual(await segments.read(segmentId, offset, 5000), Buffer.concat(pieces))
  })
}
