import assert from 'node:assert/strict'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { NotDurableError } from '../../../src/receiver/ingest/group-commit.ts'
import { FollowerEndedError } from '../../../src/receiver/resume/follower.ts'
import type { ResumableUploadsOptions } from '../../../src/receiver/resume/resumable-uploads.ts'
import { FolderSegmentStore } from '../../../src/receiver/store/folder-segment-store.ts'
import { NullSegmentStore } from '../../../src/receiver/store/null-segment-store.ts'
import { NotRecordedError, type OwnSegment } from '../../../src/receiver/store/segment-store.ts'
import { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'
import { buildMessage } from '../../support/message.ts'
import { until } from '../support/receiver.ts'
import { type Intake, ingestInto, readAll, temporaryFolder } from '../support/stores.ts'

const day = 24 * 60 * 60_000
const bytes = Buffer.alloc(2_000_000, 'large')
const message = buildMessage([{ path: '/large', bytes }])
const { uploadId, body: whole } = message

interface Running {
  readonly segments: FolderSegmentStore
  readonly catalog: SqliteCatalog
  readonly intake: Intake
  readonly clock: FakeClock
}

/** The stores of a receiver on a computer that was started with this boot id. */
async function start(
  t: TestContext,
  folder: string,
  bootId = 'boot 1',
  wallAheadMs = 0,
  follower: ResumableUploadsOptions['follower'] = undefined,
): Promise<Running> {
  const catalog = SqliteCatalog.open(join(folder, 'catalog.sqlite'), { readOnly: false })
  const segments = await FolderSegmentStore.open(join(folder, 'segments'), {
    takeOver: true,
    bootId: async () => bootId,
  })
  const clock = new FakeClock()
  clock.setWall(Date.now() + wallAheadMs)
  const options = { clock, maxAgeMs: 7 * day, ...(follower !== undefined && { follower }) }
  const intake = ingestInto({ segments, catalog }, options)
  await intake.uploads.open()
  t.after(async () => {
    await intake.uploads.close()
    await segments.close()
    await catalog.close()
  })
  return { segments, catalog, intake, clock }
}

function filesIn(folder: string): Promise<string[]> {
  return readdir(join(folder, 'segments'))
}

/** A request that brings the bytes from `offset` to `end`, and then goes on when the test says so. */
function sendTo({ intake }: Running, offset: number, end: number, uploadIdOf = uploadId) {
  const stream = new Readable({ read: () => {} })
  push(stream, offset, end)
  const facts = { body: stream, isLast: true, onWritten: () => {} }
  const sizeBytes = whole.length - offset
  const done =
    offset > 0
      ? intake.uploads.append('robot', uploadIdOf, { ...facts, offset, sizeBytes })
      : intake.uploads.create({
          ...facts,
          sizeBytes,
          machine: 'robot',
          contentType: message.contentType,
          contentDisposition: '',
          messageBytes: sizeBytes,
          uploadId: uploadIdOf,
        })
  // Of a receiver that counts as killed nobody hears how it ended.
  done.catch(() => {})
  return { stream, done }
}

/** In pieces as they come from the network. */
function push(stream: Readable, offset: number, end: number): void {
  for (let at = offset; at < end; at += 65_536) {
    stream.push(whole.subarray(at, Math.min(end, at + 65_536)))
  }
}

async function sendAndBreak(running: Running, end: number, id = uploadId): Promise<void> {
  const { stream, done } = sendTo(running, 0, end, id)
  await settled()
  stream.destroy()
  assert.equal((await done)?.kind, 'broken')
}

async function offsetOf({ intake }: Running, machine = 'robot'): Promise<number | undefined> {
  const found = await intake.uploads.look(machine, uploadId)
  return found?.kind === 'unfinished' ? found.offset : undefined
}

async function finish(running: Running, offset: number): Promise<void> {
  const { stream, done } = sendTo(running, offset, whole.length)
  const receipt = await done
  stream.destroy()
  assert.equal(receipt?.kind, 'complete')
  const [file, more] = await readAll(running.segments, running.catalog)
  assert.ok(file?.bytes.equals(bytes), 'byte for byte')
  assert.equal(more, undefined)
}

test('invariant 6: what a killed receiver had written counts in full while the computer runs.', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await start(t, folder)
  const { stream } = sendTo(first, 0, 1_200_000)
  t.after(() => stream.destroy())
  // Whole batches; the rest was in the memory of the process that is no more.
  await until(async () => (await writtenBytes(folder)) >= 900_000)
  const second = await start(t, folder)
  const offset = await offsetOf(second)
  assert.ok(offset! > 900_000, `${offset}`)
  await finish(second, offset!)
})

test('invariant 6: after a power cut only what was recorded counts, and it is recorded after a second.', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await start(t, folder)
  const { stream } = sendTo(first, 0, 600_000)
  t.after(() => stream.destroy())
  await until(async () => (await writtenBytes(folder)) >= 300_000)
  await first.clock.advance(1000)
  await until(async () => (await filesIn(folder)).some((name) => name.endsWith('.offset')))
  const recordedBytes = await writtenBytes(folder)
  await new Promise((resolve) => setTimeout(resolve, 20))
  push(stream, 600_000, 1_500_000)
  await until(async () => (await writtenBytes(folder)) >= 1_200_000)
  // A power cut: everything that was not synced may be gone, or be something else.
  const part = (await filesIn(folder)).find((name) => name.endsWith('.part'))!
  const path = join(folder, 'segments', part)
  const { size } = await stat(path)
  const second = await start(t, folder, 'boot 2')
  const offset = await offsetOf(second)
  assert.ok(offset !== undefined && offset > 0 && offset < size)
  assert.ok(offset <= recordedBytes, 'nothing counts that was not recorded')
  assert.ok((await stat(path)).size < size, 'the rest was cut away')
  await finish(second, offset)
})

test('invariant 2: after a power cut an upload of which nothing was recorded is gone, with its space.', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await start(t, folder)
  const { stream } = sendTo(first, 0, 600_000)
  t.after(() => stream.destroy())
  await until(async () => (await writtenBytes(folder)) > 0)
  const second = await start(t, folder, 'boot 2')
  assert.equal(await offsetOf(second), undefined)
  assert.deepEqual(await filesIn(folder), ['boot-id'])
})

test('invariant 6: a break and a HEAD record all that had arrived.', async (t) => {
  const folder = await temporaryFolder(t)
  await sendAndBreak(await start(t, folder), 1_000_000)
  const second = await start(t, folder, 'boot 2')
  assert.equal(await offsetOf(second), 1_000_000)
  const { stream } = sendTo(second, 1_000_000, 1_500_000)
  await settled()
  assert.equal(await offsetOf(second), 1_500_000, 'the older request was ended')
  assert.ok(stream.destroyed)
  const third = await start(t, folder, 'boot 3')
  assert.equal(await offsetOf(third), 1_500_000)
  await finish(third, 1_500_000)
})

test('A computer that cannot say when it was started is taken for one that was started anew.', async (t) => {
  const folder = await temporaryFolder(t)
  await sendAndBreak(await start(t, folder, ''), 1_000_000)
  const second = await start(t, folder, '')
  assert.equal(await offsetOf(second), 1_000_000, 'it was recorded')
  const { stream } = sendTo(second, 1_000_000, 1_900_000)
  t.after(() => stream.destroy())
  await until(async () => (await writtenBytes(folder)) > 1_200_000)
  assert.equal(await offsetOf(await start(t, folder, '')), 1_000_000)
})

test('What stands in the place of an unfinished segment and is none is removed, and the others go on.', async (t) => {
  const folder = await temporaryFolder(t)
  await sendAndBreak(await start(t, folder), 1_000_000)
  const segments = join(folder, 'segments')
  await writeFile(join(segments, '000000000077.part'), 'LONGSEG1 and then nonsense')
  await writeFile(join(segments, '000000000078.part'), '')
  await writeFile(join(segments, '000000000079.offset'), 'no segment of this number')
  const second = await start(t, folder)
  const names = await filesIn(folder)
  assert.deepEqual(
    names.filter((name) => name.startsWith('00000000007')),
    [],
  )
  await finish(second, (await offsetOf(second))!)
})

test('An upload that nobody goes on with is given up after its age, and its space comes back.', async (t) => {
  const folder = await temporaryFolder(t)
  const running = await start(t, folder)
  await sendAndBreak(running, 1_000_000)
  await running.clock.advance(7 * day - 60 * 60_000)
  assert.equal(await offsetOf(running), 1_000_000)
  assert.equal((await filesIn(folder)).length, 3)
  // To be asked for is not to be gone on with.
  await running.clock.advance(2 * 60 * 60_000)
  await until(async () => (await filesIn(folder)).length === 1)
  assert.equal(await offsetOf(running), undefined)
})

test('An upload that has expired while no receiver ran is given up an hour after one is started.', async (t) => {
  const folder = await temporaryFolder(t)
  await sendAndBreak(await start(t, folder), 1_000_000)
  const second = await start(t, folder, 'boot 1', 8 * day)
  // As it would be if the clock of a computer that has just started were wrong.
  assert.equal(await offsetOf(second), 1_000_000)
  await second.clock.advance(71 * 60_000)
  await until(async () => (await filesIn(folder)).length === 1)
  assert.deepEqual(await filesIn(folder), ['boot-id'])
})

test('An upload is given up for the time that passes, not for a clock that is set.', async (t) => {
  const folder = await temporaryFolder(t)
  const running = await start(t, folder)
  await sendAndBreak(running, 1_000_000)
  for (const years of [20, -40]) {
    running.clock.setWall(running.clock.wallMs() + years * 365 * day)
    await running.clock.advance(day)
    assert.equal(await offsetOf(running), 1_000_000)
  }
  await running.clock.advance(6 * day)
  await until(async () => (await filesIn(folder)).length === 1)
})

test('invariant 7: a machine has at most 256 unfinished uploads; the one left alone longest goes.', async (t) => {
  const folder = await temporaryFolder(t)
  const running = await start(t, folder)
  const idOf = (index: number) => `f${index.toString(16).padStart(63, '0')}`
  for (let index = 0; index < 258; index += 1) {
    // Within the manifest: its hash is not known yet.
    await sendAndBreak(running, 60, idOf(index))
  }
  const parts = (await filesIn(folder)).filter((name) => name.endsWith('.part'))
  assert.equal(parts.length, 256)
  const { uploads } = running.intake
  assert.equal(await uploads.look('robot', idOf(0)), undefined)
  assert.equal(await uploads.look('robot', idOf(1)), undefined)
  assert.equal((await uploads.look('robot', idOf(2)))?.kind, 'unfinished')
})

test('When the disk is full, what was written before stays, and the upload goes on there.', async (t) => {
  const folder = await temporaryFolder(t)
  await sendAndBreak(await start(t, folder), 1_000_000)
  const full = await startWith(t, folder, (segment) => {
    segment.write = () => Promise.reject(new Error('ENOSPC'))
  })
  const { stream, done } = sendTo(full, 1_000_000, whole.length)
  await assert.rejects(done, NotDurableError)
  stream.destroy()
  assert.equal(await offsetOf(full), 1_000_000)
  await finish(await start(t, folder), 1_000_000)
})

test('When there is no room to record how far an upload is, nobody is told, and it goes on later.', async (t) => {
  const folder = await temporaryFolder(t)
  await sendAndBreak(await start(t, folder), 1_000_000)
  let isFull = true
  const full = await startWith(t, folder, (segment) => {
    const checkpoint = segment.checkpoint.bind(segment)
    segment.checkpoint = () =>
      isFull ? Promise.reject(new NotRecordedError('full')) : checkpoint()
  })
  const { stream, done } = sendTo(full, 1_000_000, 1_400_000)
  await settled()
  stream.destroy()
  await assert.rejects(done!, NotDurableError)
  await assert.rejects(offsetOf(full), NotDurableError)
  isFull = false
  assert.equal(await offsetOf(full), 1_400_000, 'nothing had to be sent again')
  await finish(full, 1_400_000)
})

test('invariant 6: when the hashing of what had arrived is ended before its time, all of it stays.', async (t) => {
  const folder = await temporaryFolder(t)
  await sendAndBreak(await start(t, folder), 1_000_000)
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  let isWanted = false
  // One that hashes for a long time, until it is ended.
  const follower = {
    follow: () => ({
      push: () => {},
      finish: () => {
        isWanted = true
        return ended.promise
      },
      end: () => {},
    }),
    close: async () => ended.reject(new FollowerEndedError('ended')),
  }
  const second = await start(t, folder, 'boot 1', 0, follower)
  const { stream, done } = sendTo(second, 1_000_000, whole.length)
  await until(() => isWanted)
  await second.intake.uploads.stopFollowing()
  await assert.rejects(done!, FollowerEndedError)
  stream.destroy()
  assert.equal(await offsetOf(second), whole.length)
  await finish(await start(t, folder), whole.length)
})

test('invariant 2: when a sync fails, nobody knows what is on the disk: the upload begins afresh.', async (t) => {
  const folder = await temporaryFolder(t)
  await sendAndBreak(await start(t, folder), 1_000_000)
  const second = await startWith(t, folder, (segment) => {
    segment.checkpoint = () => Promise.reject(new Error('EIO'))
  })
  const { stream, done } = sendTo(second, 1_000_000, 1_400_000)
  await settled()
  stream.destroy()
  await assert.rejects(done!, NotDurableError)
  assert.equal(await offsetOf(second), undefined)
  assert.deepEqual(await filesIn(folder), ['boot-id'])
})

test('Where everything is thrown away an upload goes on from memory, as long as it is remembered.', async () => {
  const catalog = SqliteCatalog.open(':memory:', { readOnly: false })
  const segments = new NullSegmentStore()
  const intake = ingestInto({ segments, catalog }, { clock: new FakeClock() })
  const running = { intake } as Running
  const { stream, done } = sendTo(running, 0, 1_000_000)
  await settled()
  stream.destroy()
  await done
  assert.equal(await offsetOf(running), 1_000_000)
  const rest = sendTo(running, 1_000_000, whole.length)
  assert.equal((await rest.done)?.kind, 'complete')
  rest.stream.destroy()
  await intake.uploads.close()
  await catalog.close()
})

/** A receiver whose unfinished segments do what the test says. */
async function startWith(
  t: TestContext,
  folder: string,
  change: (segment: OwnSegment) => void,
): Promise<Running> {
  const { reopenOwnSegment } = FolderSegmentStore.prototype
  t.mock.method(
    FolderSegmentStore.prototype,
    'reopenOwnSegment',
    async function (this: FolderSegmentStore, ...args: Parameters<typeof reopenOwnSegment>) {
      const segment = await reopenOwnSegment.apply(this, args)
      change(segment)
      return segment
    },
  )
  const running = await start(t, folder)
  t.mock.restoreAll()
  return running
}

async function writtenBytes(folder: string): Promise<number> {
  const part = (await filesIn(folder)).find((name) => name.endsWith('.part'))
  return part === undefined ? 0 : (await stat(join(folder, 'segments', part))).size
}
