import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../support/seeded-random.ts'
import { makeCast } from './cast.ts'
import { cutPowerEverywhere } from './power-cuts.ts'
import { recordRun } from './record-run.ts'

/** `npm run power-cuts` tries all points, in more ways. */
const slice = { variants: 1, every: 4 }

test('invariants 2, 3 and 6: wherever the power goes, what was acknowledged is there, and uploads go on.', async () => {
  const { wrong, states, acknowledged, restarts } = await cutPowerEverywhere({
    variants: 2,
    every: 2,
    seed: 1,
  })
  assert.deepEqual(wrong, [])
  assert.ok(states > 200 && acknowledged > 20, `${states} states, ${acknowledged} files`)
  assert.ok(Object.values(restarts).some((times) => times > 0))
})

for (const failures of ['once', 'for_a_while'] as const) {
  const when = failures === 'once' ? 'now and then' : 'for a while'
  test(`invariant 2: with syncs that fail ${when}, nothing is acknowledged that a power cut takes.`, async () => {
    const result = await cutPowerEverywhere({ ...slice, seed: 2, failures })
    assert.deepEqual(result.wrong, [])
    assert.ok(result.refused > 0, 'some requests were refused')
    assert.ok(result.acknowledged > 20, 'it went on all the same')
  })
}

test('On a disk that lies about its syncs the loss is seen.', async () => {
  const { wrong } = await cutPowerEverywhere({ seed: 1, variants: 1, every: 5, failures: 'lies' })
  assert.ok(wrong.some((each) => each.includes('acknowledged and not there')))
  assert.ok(wrong.some((each) => each.includes('gone, though it was at')))
})

test('The same seed records the same run.', async () => {
  const record = async () => {
    const random = new SeededRandom(5)
    return recordRun(makeCast(random.fork()), random.fork(), 'once')
  }
  const [first, second] = [await record(), await record()]
  assert.ok(first.history.length > 300)
  const kinds = ({ history }: typeof first) =>
    history.map((step) => (step.kind === 'disk' ? JSON.stringify(step.operation) : step.kind))
  assert.deepEqual(kinds(first), kinds(second))
})
