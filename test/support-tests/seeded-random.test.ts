import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../support/seeded-random.ts'

function draws(random: SeededRandom): unknown[] {
  const fork = random.fork()
  return [
    ...Array.from({ length: 50 }, () => random.between(1, 6)),
    random.fraction(),
    random.bytes(33).toString('hex'),
    fork.bytes(5).toString('hex'),
  ]
}

test('The same seed gives the same numbers and bytes, another seed others.', () => {
  assert.deepEqual(draws(new SeededRandom(7)), draws(new SeededRandom(7)))
  assert.notDeepEqual(draws(new SeededRandom(7)), draws(new SeededRandom(8)))
})

test('Numbers keep to their limits and reach them; a fork does not depend on what is drawn later.', () => {
  const random = new SeededRandom(1)
  const seen = new Set(Array.from({ length: 500 }, () => random.between(-1, 2)))
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    [-1, 0, 1, 2],
  )
  const early = new SeededRandom(3)
  const fork = early.fork()
  early.bytes(100)
  assert.equal(fork.fraction(), new SeededRandom(3).fork().fraction())
})
