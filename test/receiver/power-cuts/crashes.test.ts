import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { NotDurableError } from '../../../src/receiver/ingest/group-commit.ts'
import { settled } from '../../support/fake-clock.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { type CastUpload, makeCast } from './cast.ts'
import { Life, type LifeOptions } from './life.ts'
import { type Step, World } from './world.ts'

const cast = makeCast(new SeededRandom(1))
const [upload] = cast.uploads as readonly [CastUpload]
const large = cast.uploads[4]!
const bundle = cast.bundles.find(({ isRight }) => isRight)!
const length = upload.built.body.length

async function start(
  t: TestContext,
  world: World,
  options: LifeOptions = {},
  history: Step[] = [],
): Promise<Life> {
  const life = await Life.start(world, history, options)
  t.after(() => life.dispose())
  return life
}

/** What is found when the power goes and nothing is left that was not synced. */
function cutPower(world: World, survival: 'all_lost' | 'all_kept' = 'all_lost'): World {
  const disk = world.disk.afterPowerCut(survival, new SeededRandom(1))
  return world.foundOn(disk, { isCatalogLost: false, bootId: `${world.bootId}+` })
}

/** The world as it was before the first step that is like this, or just after it. */
function stoppedAt(history: readonly Step[], isIt: (step: Step) => boolean, after = 0): World {
  const index = history.findIndex(isIt)
  assert.ok(index >= 0, 'it came to that')
  const world = new World()
  for (const step of history.slice(0, index + after)) world.apply(step)
  return world
}

function isOperation(step: Step, kind: string): boolean {
  return step.kind === 'disk' && step.operation.kind === kind
}

async function breakOff(life: Life, of: CastUpload, end: number): Promise<void> {
  const { stream, done } = life.create(of, end)
  await settled()
  stream.destroy()
  assert.equal((await done)?.kind, 'broken')
}

async function offsetOf(life: Life, of = upload): Promise<number | undefined> {
  const reached = await life.look(of)
  return reached?.kind === 'unfinished' ? reached.offset : undefined
}

async function finish(life: Life, offset: number): Promise<void> {
  const { stream, done } = life.append(upload, offset, length)
  const receipt = await done
  stream.destroy()
  assert.ok(receipt?.kind === 'complete')
  assert.equal(receipt.outcomes[0]?.status, 'stored')
}

async function assertStored(life: Life, files: readonly string[]): Promise<void> {
  const listed = await life.list()
  const bytes = listed.map((file) => file.bytes.toString('hex')).sort()
  assert.deepEqual(bytes, files.map((file) => cast.contents.get(file)!.toString('hex')).sort())
}

test('invariant 6: what HEAD answers after a kill -9 survives a power cut.', async (t) => {
  const world = new World()
  const first = await start(t, world)
  first.create(large, 290_000)
  await settled()
  first.kill()
  const offset = await offsetOf(await start(t, world), large)
  assert.ok(offset! >= 256 * 1024, `${offset}`)
  assert.equal(await offsetOf(await start(t, cutPower(world)), large), offset)
})

test('invariant 6: an offset that was written, but not synced when the process was killed, is recorded anew.', async (t) => {
  const history: Step[] = []
  const life = await start(t, new World(), {}, history)
  await breakOff(life, upload, 5000)
  // The second file that was made is the one with the offset; its sync is still to come.
  const offsetFileId = life.world.disk.fileIdOf('000000000001.offset')
  const world = stoppedAt(history, (step) => {
    if (step.kind !== 'disk' || step.operation.kind !== 'file_synced') return false
    return step.operation.fileId === offsetFileId
  })
  assert.equal(await offsetOf(await start(t, world)), 5000)
  assert.equal(await offsetOf(await start(t, cutPower(world))), 5000)
})

test('invariant 6: an upload whose record was being finished at a kill -9 goes on at its end.', async (t) => {
  const history: Step[] = []
  const life = await start(t, new World(), {}, history)
  await breakOff(life, upload, 5000)
  await finish(life, 5000)
  const world = stoppedAt(history, (step) => isOperation(step, 'rename'))
  const again = await start(t, world)
  assert.equal(await offsetOf(again), length)
  await finish(again, length)
  await assertStored(await start(t, cutPower(world)), upload.files)
})

test('Of an upload that was given up and begun again, the newer one counts when the older comes back.', async (t) => {
  const history: Step[] = []
  const life = await start(t, new World(), {}, history)
  await breakOff(life, upload, 5000)
  await life.cancel(upload)
  await breakOff(life, upload, 3000)
  const world = new World()
  for (const step of history) if (!isOperation(step, 'unlink')) world.apply(step)
  assert.equal(world.disk.names.filter((name) => name.endsWith('.part')).length, 2)
  const again = await start(t, cutPower(world, 'all_kept'))
  assert.equal(await offsetOf(again), 3000)
  await finish(again, 3000)
})

test('What an earlier process removed stays away, before its number is given again.', async (t) => {
  const world = new World()
  const life = await start(t, world)
  await breakOff(life, upload, 5000)
  await life.cancel(upload)
  life.kill()
  await start(t, world)
  assert.deepEqual(cutPower(world).disk.names, ['boot-id'])
})

test('invariant 2: what is found after a failed sync and a kill -9 is written once more before it counts.', async (t) => {
  const history: Step[] = []
  let isBroken = false
  const syncOf = () => (isBroken ? 'fails' : 'works')
  const life = await start(t, new World(), { syncOf }, history)
  await life.bundle(cast.newcomer)
  isBroken = true
  await assert.rejects(life.bundle(bundle), NotDurableError)
  const world = stoppedAt(history, (step) => isOperation(step, 'file_sync_failed'), 1)
  const outcomes = await (await start(t, world)).bundle(bundle)
  assert.ok(outcomes?.every(({ status }) => status === 'already_stored'))
  const files = [...bundle.files, ...cast.newcomer.files]
  await assertStored(await start(t, cutPower(world)), files)
})

test('invariant 2: an own segment whose sync failed before a kill -9 is written once more before it counts.', async (t) => {
  const history: Step[] = []
  let isBroken = false
  const syncOf = () => (isBroken ? 'fails' : 'works')
  const life = await start(t, new World(), { syncOf }, history)
  await breakOff(life, upload, 5000)
  isBroken = true
  const { done } = life.append(upload, 5000, length)
  await assert.rejects(done, NotDurableError)
  const world = stoppedAt(history, (step) => isOperation(step, 'file_sync_failed'), 1)
  const again = await start(t, world)
  await finish(again, (await offsetOf(again))!)
  await assertStored(await start(t, cutPower(world)), upload.files)
})

test('invariant 2: while every sync fails everything is refused, and with the first that works it goes on.', async (t) => {
  const world = new World()
  let isBroken = true
  const life = await start(t, world, { syncOf: () => 'works' })
  await life.close()
  const broken = await start(t, world, { syncOf: () => (isBroken ? 'fails' : 'works') }).catch(
    (error: unknown) => error,
  )
  // A receiver does not even start on such a disk; one that was started before refuses.
  assert.ok(broken instanceof Error)
  isBroken = false
  const again = await start(t, world, { syncOf: () => (isBroken ? 'fails' : 'works') })
  isBroken = true
  for (let times = 0; times < 3; times += 1) {
    await assert.rejects(again.bundle(bundle), NotDurableError)
    await assert.rejects(again.create(upload, length).done, NotDurableError)
  }
  assert.deepEqual([...world.acknowledged], [])
  isBroken = false
  await again.bundle(bundle)
  const { done, stream } = again.create(upload, length)
  assert.equal((await done)?.kind, 'complete')
  stream.destroy()
  await assertStored(await start(t, cutPower(world)), [...bundle.files, ...upload.files])
})

test('A sync that fails once costs the requests that were in it, and the next ones use another segment.', async (t) => {
  const world = new World()
  let failures = 0
  const syncOf = () => (failures-- > 0 ? 'fails' : 'works')
  const life = await start(t, world, { syncOf })
  await life.bundle(cast.newcomer)
  failures = 1
  await assert.rejects(life.bundle(bundle), NotDurableError)
  await life.bundle(bundle)
  const segments = world.disk.names.filter((name) => name.endsWith('.seg'))
  assert.equal(segments.length, 2)
  await assertStored(await start(t, cutPower(world)), [...cast.newcomer.files, ...bundle.files])
})
