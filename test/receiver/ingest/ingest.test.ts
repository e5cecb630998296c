import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { NotDurableError } from '../../../src/receiver/ingest/group-commit.ts'
import type { Catalog } from '../../../src/receiver/store/catalog.ts'
import {
  readRecordHead,
  readRecordTrailer,
  segmentMagic,
} from '../../../src/receiver/store/record.ts'
import { recover } from '../../../src/receiver/store/recovery.ts'
import type { OwnSegment } from '../../../src/receiver/store/segment-store.ts'
import type { Outcome } from '../../../src/wire/outcome.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { buildMessage } from '../../support/message.ts'
import { MemorySegmentStore } from '../support/memory-segment-store.ts'
import { until } from '../support/receiver.ts'
import { cutAt, incoming, ingestInto, newStores, readAll } from '../support/stores.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

const message = buildMessage([
  { path: '/a', bytes: 'first' },
  { path: '/b', bytes: Buffer.alloc(5000, 'second') },
])

/** A body that gets bytes when the test says so. */
function openBody(): Readable {
  return new Readable({ read: () => {}, highWaterMark: 16 })
}

function statuses(outcomes: readonly Outcome[] | undefined): (string | undefined)[] | undefined {
  return outcomes?.map(({ status, reason }) => reason ?? status)
}

const kinds = [
  { kind: 'a bundle', single: false },
  { kind: 'a large upload', single: true },
] as const

for (const { kind, single } of kinds) {
  test(`invariant 3: ${kind} is stored once, and known when it comes again.`, async (t) => {
    const { segments, catalog } = await newStores(t)
    const ingest = ingestInto({ segments, catalog })
    assert.deepEqual(statuses(await ingest.take(incoming(message, { single }))), [
      'stored',
      'stored',
    ])
    const list = await segments.list()
    assert.deepEqual(statuses(await ingest.take(incoming(message, { single }))), [
      'already_stored',
      'already_stored',
    ])
    assert.deepEqual(await segments.list(), list, 'nothing is written a second time')
    const stored = await readAll(segments, catalog)
    assert.deepEqual(
      stored.map(({ path, bytes }) => [path, String(bytes)]),
      [
        ['/a', 'first'],
        ['/b', 'second'.repeat(1000).slice(0, 5000)],
      ],
    )
  })

  test(`invariant 3: of ${kind} that comes twice at once, one is stored and one already_stored.`, async (t) => {
    const { segments, catalog } = await newStores(t)
    const ingest = ingestInto({ segments, catalog })
    // Large ones of one id would take turns.
    const uploadId = single ? undefined : message.uploadId
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => ingest.take(incoming(message, { single, uploadId }))),
    )
    const sorted = answers.map((outcomes) => statuses(outcomes)?.join()).sort()
    const known = 'already_stored,already_stored'
    assert.deepEqual(sorted, [known, known, known, known, 'stored,stored'])
    assert.equal((await readAll(segments, catalog)).length, 2)
    assert.equal((await segments.list()).length, 1)
  })

  test(`invariant 2: ${kind} is in segment and catalog before its outcome is told.`, async (t) => {
    const { catalog } = await newStores(t)
    const steps: string[] = []
    const segments = new MemorySegmentStore()
    const { appendDurably, startOwnSegment } = segments
    segments.appendDurably = async (records) => {
      const places = await appendDurably.call(segments, records)
      await turn()
      steps.push('synced')
      return places
    }
    segments.startOwnSegment = async () => {
      const own = await startOwnSegment.call(segments)
      const finish = own.finish.bind(own)
      own.finish = async () => {
        await finish()
        await turn()
        steps.push('synced')
      }
      return own
    }
    const watched: Catalog = {
      ...delegate(catalog),
      enter: async (entries) => {
        const isNew = await catalog.enter(entries)
        await turn()
        steps.push('entered')
        return isNew
      },
    }
    await ingestInto({ segments, catalog: watched })
      .take(incoming(message, { single }))
      .then(() => steps.push('told'))
    assert.deepEqual(steps, ['synced', 'entered', 'told'])
  })

  test(`A break anywhere in ${kind} leaves no outcome, no file and no finished segment.`, async (t) => {
    const { segments, catalog } = await newStores(t)
    const ingest = ingestInto({ segments, catalog })
    const { body, offsets } = message
    const places = [0, 1, 30, offsets[0]!, offsets[1]! - 1, offsets[1]! + 2500, body.length - 1]
    for (const place of places) {
      for (const end of ['destroyed', 'ended'] as const) {
        const stream = openBody()
        // A large one with the same id would go on where the one before broke off.
        const uploadId = single ? undefined : message.uploadId
        const taken = ingest.take(incoming(message, { single, uploadId, body: stream }))
        if (place > 0) stream.push(body.subarray(0, place))
        await turn()
        if (end === 'destroyed') stream.destroy(new Error('reset'))
        else stream.push(null)
        assert.equal(await taken, undefined, `${end} after ${place} bytes`)
      }
    }
    assert.deepEqual(await segments.list(), [])
    assert.deepEqual([...catalog.files()], [])
    assert.deepEqual([...catalog.segmentEnds()], [])
  })

  test(`A message that is wrong somewhere in ${kind} leaves no file and no segment.`, async (t) => {
    const { folder, segments, catalog } = await newStores(t)
    const ingest = ingestInto({ segments, catalog })
    const wrong = Buffer.from(message.body)
    wrong[message.offsets[1]! - 3]! ^= 1
    const body = Readable.from(cutAt(wrong, 10, 200), { objectMode: false })
    await assert.rejects(ingest.take(incoming(message, { single, body })), WireError)
    const key = incoming(message, { single, uploadId: 'ab'.repeat(32) })
    await assert.rejects(ingest.take(key), { code: 'upload_id_mismatch' })
    const type = incoming(message, { single, contentType: 'text/plain' })
    await assert.rejects(ingest.take(type), { code: 'bad_content_type' })
    assert.deepEqual(await readdir(join(folder, 'segments')), [])
    assert.deepEqual([...catalog.files()], [])
  })

  test(`invariant 4: in ${kind} one rejected file leaves the others alone; nothing but rejected ones leaves nothing.`, async (t) => {
    const { folder, segments, catalog } = await newStores(t)
    const ingest = ingestInto({ segments, catalog })
    const wrong = { path: '/wrong', bytes: 'wrong', declaredDigest: '00'.repeat(32) }
    const bad = { path: '../climbs', bytes: 'x' }
    const all = await ingest.take(incoming(buildMessage([wrong, bad]), { single }))
    assert.deepEqual(statuses(all), ['digest_mismatch', 'name_not_allowed'])
    assert.deepEqual(await readdir(join(folder, 'segments')), [])
    const mixed = buildMessage([wrong, { path: '/good', bytes: 'good' }, bad])
    assert.deepEqual(statuses(await ingest.take(incoming(mixed, { single }))), [
      'digest_mismatch',
      'stored',
      'name_not_allowed',
    ])
    const stored = await readAll(segments, catalog)
    assert.deepEqual(
      stored.map(({ path, bytes }) => [path, String(bytes)]),
      [['/good', 'good']],
    )
  })

  test(`invariants 2 and 3: when the catalog fails, ${kind} is refused, and once sent again it is stored exactly once.`, async (t) => {
    const { segments, catalog } = await newStores(t)
    let failures = 1
    const failing: Catalog = {
      ...delegate(catalog),
      enter: async (entries) => {
        if (failures-- > 0) throw new Error('the disk')
        return catalog.enter(entries)
      },
    }
    const kept: unknown[] = []
    const ingest = ingestInto(
      { segments, catalog: failing },
      { onLeftOver: (error) => kept.push(error) },
    )
    await assert.rejects(ingest.take(incoming(message, { single })), NotDurableError)
    assert.deepEqual([...catalog.files()], [])
    // The transaction may turn out to have happened: what it refers to must stay.
    assert.equal((await segments.list()).length, 1)
    assert.equal(kept.length, single ? 1 : 0)
    assert.deepEqual(statuses(await ingest.take(incoming(message, { single }))), [
      'stored',
      'stored',
    ])
    assert.equal((await readAll(segments, catalog)).length, 2)
    // The next start finds the first copy, and that there is nothing new in it.
    await recover(segments, catalog)
    const stored = await readAll(segments, catalog)
    assert.deepEqual(
      stored.map(({ digest }) => digest),
      message.digests,
    )
    assert.equal((await segments.list()).length, 1)
  })

  test(`When the catalog cannot be asked, ${kind} is refused as not durable.`, async (t) => {
    const { folder, segments, catalog } = await newStores(t)
    const broken: Catalog = {
      ...delegate(catalog),
      holdsAll: () => Promise.reject(new Error('the disk')),
    }
    const ingest = ingestInto({ segments, catalog: broken })
    await assert.rejects(ingest.take(incoming(message, { single })), NotDurableError)
    assert.deepEqual(await readdir(join(folder, 'segments')), [])
  })

  test(`What stands in the segment of ${kind} tells all that the request said.`, async (t) => {
    const { segments, catalog } = await newStores(t)
    const contentDisposition = 'attachment; filename=x'
    await ingestInto({ segments, catalog }).take(incoming(message, { single, contentDisposition }))
    const [{ segmentId } = { segmentId: 0 }] = await segments.list()
    const readAt = (offset: number, size: number) => segments.read(segmentId, offset, size)
    const head = await readRecordHead(readAt, segmentMagic.length)
    assert.deepEqual(head?.value, {
      machine: 'robot',
      uploadId: message.uploadId,
      receivedAtMs: 1_700_000_000_000,
      contentType: message.contentType,
      contentDisposition,
      messageBytes: message.body.length,
    })
    const bytes = await readAt(head.end, message.body.length)
    assert.ok(bytes.equals(message.body), 'verbatim')
    const trailer = await readRecordTrailer(readAt, head.end + message.body.length)
    assert.deepEqual(statuses(trailer?.value.outcomes), ['stored', 'stored'])
  })
}

test('A large upload without an id is found again with the one that it was given.', async (t) => {
  const { segments, catalog } = await newStores(t)
  const ingest = ingestInto({ segments, catalog })
  await ingest.take(incoming(message, { single: true, uploadId: undefined }))
  const [{ segmentId } = { segmentId: 0 }] = await segments.list()
  const readAt = (offset: number, size: number) => segments.read(segmentId, offset, size)
  const head = await readRecordHead(readAt, segmentMagic.length)
  assert.match(head?.value.uploadId ?? '', /^0{16}/, 'one that was assigned')
  assert.equal((await catalog.findMessages(head!.value.uploadId)).length, 1)
  assert.equal((await readAll(segments, catalog)).length, 2)
})

test('invariant 7: without room a message waits and is not read; breaks give their room back.', async (t) => {
  const { segments, catalog } = await newStores(t)
  // Room for one message of 4 MiB at least.
  const ingest = ingestInto({ segments, catalog }, { memoryBytes: 0 })
  const large = buildMessage([{ path: '/large', bytes: Buffer.alloc(3_000_000) }])
  const holder = openBody()
  const held = ingest.take(incoming(large, { body: holder }))
  const waiting = openBody()
  waiting.push(large.body)
  const waited = ingest.take(incoming(large, { body: waiting }))
  const leaving = openBody()
  const left = ingest.take(incoming(large, { body: leaving }))
  for (let turns = 0; turns < 5; turns += 1) await turn()
  assert.equal(holder.readableFlowing, true)
  assert.equal(waiting.readableFlowing, null, 'not read')
  assert.equal(waiting.readableLength, large.body.length)
  leaving.destroy()
  assert.equal(await left, undefined)
  holder.push(large.body.subarray(0, 1000))
  await turn()
  holder.destroy()
  assert.equal(await held, undefined)
  assert.deepEqual(statuses(await waited), ['stored'])
  for (let time = 0; time < 5; time += 1) {
    assert.deepEqual(statuses(await ingest.take(incoming(large))), ['already_stored'])
  }
})

test('invariants 4 and 7: only so many large uploads are under way at once, and small files do not wait for them.', async (t) => {
  const { folder, segments, catalog } = await newStores(t)
  const ingest = ingestInto({ segments, catalog }, { memoryBytes: 4 * 1024 * 1024 })
  const bodies = Array.from({ length: 6 }, openBody)
  const uploads = bodies.map((body, index) =>
    ingest.take(incoming(message, { machine: `robot-${index}`, single: true, body })),
  )
  await until(async () => (await partsIn(folder)).length === 4)
  const small = buildMessage([{ path: '/small', bytes: 'small' }])
  assert.deepEqual(statuses(await ingest.take(incoming(small))), ['stored'])
  for (const body of bodies.slice(0, 5)) body.destroy()
  bodies[5]!.push(message.body)
  assert.deepEqual(statuses(await uploads[5]), ['stored', 'stored'])
  assert.deepEqual(await Promise.all(uploads.slice(0, 5)), Array(5).fill(undefined))
  assert.equal((await segments.list()).length, 2)
})

const failures: Record<string, Partial<OwnSegment>> = {
  write: { write: () => Promise.reject(new Error('ENOSPC')) },
  finish: { finish: () => Promise.reject(new Error('EIO')) },
}

for (const [step, failure] of Object.entries(failures)) {
  test(`A large upload whose ${step} fails is refused as not durable, and its segment goes.`, async (t) => {
    const { folder, segments, catalog } = await newStores(t)
    const start = segments.startOwnSegment.bind(segments)
    segments.startOwnSegment = async () => Object.assign(await start(), failure)
    const ingest = ingestInto({ segments, catalog })
    await assert.rejects(ingest.take(incoming(message, { single: true })), NotDurableError)
    assert.deepEqual(await readdir(join(folder, 'segments')), [])
    assert.deepEqual([...catalog.files()], [])
  })
}

test('A large upload for which no segment can be started is refused as not durable.', async (t) => {
  const { segments, catalog } = await newStores(t)
  segments.startOwnSegment = () => Promise.reject(new Error('EMFILE'))
  const ingest = ingestInto({ segments, catalog })
  await assert.rejects(ingest.take(incoming(message, { single: true })), NotDurableError)
})

test('A segment that cannot be removed is reported, and spoils nothing else.', async (t) => {
  const { catalog } = await newStores(t)
  const segments = new MemorySegmentStore()
  segments.remove = () => Promise.reject(new Error('EROFS'))
  const leftOver: unknown[] = []
  const ingest = ingestInto({ segments, catalog }, { onLeftOver: (error) => leftOver.push(error) })
  const large = incoming(message, { single: true, uploadId: undefined })
  assert.deepEqual(statuses(await ingest.take(large)), ['stored', 'stored'])
  const again = incoming(message, { single: true, uploadId: undefined })
  assert.deepEqual(statuses(await ingest.take(again)), ['already_stored', 'already_stored'])
  assert.match(`${leftOver}`, /EROFS/)
})

test('What a large upload has written is told while it arrives; what a bundle holds is not on the disk yet.', async (t) => {
  const { segments, catalog } = await newStores(t)
  const ingest = ingestInto({ segments, catalog })
  const large = buildMessage([{ path: '/large', bytes: Buffer.alloc(1_500_000) }])
  const told: number[] = []
  const onWritten = (sizeBytes: number) => told.push(sizeBytes)
  await ingest.take(incoming(large, { single: true, onWritten }))
  assert.equal(
    told.reduce((sum, bytes) => sum + bytes, 0),
    large.body.length,
  )
  told.length = 0
  await ingest.take(incoming(message, { onWritten }))
  assert.deepEqual(told, [])
})

test('drain resolves when what was complete has its answer.', async (t) => {
  const { segments, catalog } = await newStores(t)
  const ingest = ingestInto({ segments, catalog })
  let answered = 0
  const takes = Array.from({ length: 10 }, (_, index) =>
    ingest
      .take(incoming(buildMessage([{ path: `/${index}`, bytes: 'x' }])))
      .then(() => (answered += 1)),
  )
  await until(() => answered > 0)
  await ingest.drain()
  await Promise.all(takes)
  assert.equal(answered, 10)
})

async function partsIn(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, 'segments'))
  return names.filter((name) => name.endsWith('.part'))
}

/** A catalog of class, as an object whose methods can be replaced. */
function delegate(catalog: Catalog): Catalog {
  return {
    enter: (entries) => catalog.enter(entries),
    holdsAll: (machine, files) => catalog.holdsAll(machine, files),
    findMessages: (uploadId) => catalog.findMessages(uploadId),
    complete: true,
    markComplete: () => catalog.markComplete(),
    segmentEnds: () => catalog.segmentEnds(),
    files: (machine) => catalog.files(machine),
    close: () => catalog.close(),
  }
}
