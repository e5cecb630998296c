import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { MemoryBudget } from '../../../src/receiver/ingest/memory-budget.ts'

function body(): Readable {
  return new Readable({ read: () => {} })
}

/** Notes the name when the room is there. */
function asker(budget: MemoryBudget) {
  const admitted: string[] = []
  const ask = (name: string, sizeBytes: number, from = body()) => {
    const answer = budget.take(sizeBytes, from)
    void answer.then((isAdmitted) => isAdmitted && admitted.push(name))
    return { body: from, answer }
  }
  return { admitted, ask }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('Who finds room enters at once, up to the last byte.', async () => {
  const budget = new MemoryBudget(10)
  const { admitted, ask } = asker(budget)
  ask('a', 4)
  ask('b', 6)
  ask('none', 0)
  await turn()
  assert.deepEqual(admitted, ['a', 'b', 'none'])
  assert.equal(budget.waiting, 0)
})

test('Who finds no room waits in order, and a small one does not overtake.', async () => {
  const budget = new MemoryBudget(10)
  const { admitted, ask } = asker(budget)
  ask('a', 8)
  ask('b', 9)
  ask('c', 1)
  await turn()
  assert.deepEqual(admitted, ['a'])
  budget.giveBack(8)
  await turn()
  assert.deepEqual(admitted, ['a', 'b', 'c'])
  assert.equal(budget.waiting, 0)
})

test('invariant 9: whose sender goes while it waits takes no room and leaves nothing behind.', async () => {
  const budget = new MemoryBudget(10)
  const { admitted, ask } = asker(budget)
  ask('a', 8)
  const leaving = Array.from({ length: 1000 }, (_, index) => ask(`gone ${index}`, 9))
  const last = ask('last', 2)
  assert.equal(budget.waiting, 1001)
  for (const each of leaving) each.body.destroy()
  assert.deepEqual(
    new Set(await Promise.all(leaving.map(({ answer }) => answer))),
    new Set([false]),
  )
  // The ones that were too large were in its way.
  assert.equal(await last.answer, true)
  assert.equal(budget.waiting, 0)
  budget.giveBack(10)
  ask('whole', 10)
  await turn()
  assert.deepEqual(admitted, ['a', 'last', 'whole'])
  assert.equal(last.body.listenerCount('close'), 0)
})

test('Whose sender has gone before takes no room.', async () => {
  const budget = new MemoryBudget(10)
  const gone = body()
  gone.destroy()
  assert.equal(await budget.take(10, gone), false)
  assert.equal(await budget.take(10, body()), true)
})
