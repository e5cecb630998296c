import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runTarget } from './run-target.ts'
import { targets } from './targets.ts'

/** What a target must at least come to, so that its inputs are known to reach somewhere. */
const leastOutcomes = 4

for (const target of targets) {
  test(`invariant 9: ${target.name} takes anything, and always in the same way.`, async () => {
    const outcomes = await runTarget(target, { seed: 1, count: 1500 })
    assert.ok(outcomes.size >= leastOutcomes, [...outcomes.keys()].join('\n'))
    assert.deepEqual(
      await runTarget(target, { seed: 1, count: 100 }),
      await runTarget(target, { seed: 1, count: 100 }),
    )
  })
}

test('A target that fails names the input, and how to see it again.', async () => {
  const target = { name: 'broken', run: () => assert.fail('as it should') }
  await assert.rejects(runTarget(target, { seed: 7, count: 3, from: 5 }), {
    message: 'input 5 of broken (again with --target broken --seed 7 --from 5 --count 1)',
  })
})
