import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { MemoryBudget } from '../../../src/receiver/ingest/memory-budget.ts'
import { Random } from '../../wire/random.ts'

function body(): Readable {
  return new Readable({ read: () => {} })
}

/** Notes the name when the room is there. */
function asker(budget: MemoryBudget) {
  const admitted: string[] = []
  const ask = (name: string, sizeBytes: number, from = body(), machine = name) => {
    const answer = budget.take(machine, sizeBytes, from)
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
  budget.giveBack('a', 8)
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
  budget.giveBack('a', 8)
  budget.giveBack('last', 2)
  ask('whole', 10)
  await turn()
  assert.deepEqual(admitted, ['a', 'last', 'whole'])
  assert.equal(last.body.listenerCount('close'), 0)
})

test('Whose sender has gone before takes no room.', async () => {
  const budget = new MemoryBudget(10)
  const gone = body()
  gone.destroy()
  assert.equal(await budget.take('a', 10, gone), false)
  assert.equal(await budget.take('a', 10, body()), true)
})

/** Asks until nothing more is let in, and says how often it was. */
async function fill(budget: MemoryBudget, machine: string, sizeBytes: number): Promise<number> {
  let admitted = 0
  for (let time = 0; time < 200; time += 1) {
    void budget.take(machine, sizeBytes, body()).then((isAdmitted) => {
      admitted += Number(isAdmitted)
    })
  }
  await turn()
  return admitted
}

test('invariant 9: a machine that never gives back holds half, two hold two thirds, and others find room.', async () => {
  const budget = new MemoryBudget(120)
  assert.equal(await fill(budget, 'greedy', 1), 60)
  assert.equal(await fill(budget, 'greedy too', 1), 30)
  assert.equal(await fill(budget, 'third', 1), 15)
  const { admitted, ask } = asker(budget)
  // Whoever has nothing yet may have all that is left at once.
  ask('honest', 15)
  await turn()
  assert.deepEqual(admitted, ['honest'])
  budget.giveBack('honest', 15)
  ask('honest again', 15)
  await turn()
  assert.deepEqual(admitted, ['honest', 'honest again'])
})

test('What a machine gives back goes to those that wait, machine by machine in turn.', async () => {
  const budget = new MemoryBudget(4)
  const { admitted, ask } = asker(budget)
  ask('all', 4)
  for (const name of ['a1', 'a2', 'a3']) ask(name, 1, body(), 'a')
  for (const name of ['b1', 'b2']) ask(name, 1, body(), 'b')
  ask('c1', 1, body(), 'c')
  await turn()
  assert.deepEqual(admitted, ['all'])
  budget.giveBack('all', 4)
  await turn()
  assert.deepEqual(admitted, ['all', 'a1', 'b1', 'c1'])
  budget.giveBack('a', 1)
  budget.giveBack('b', 1)
  budget.giveBack('c', 1)
  await turn()
  assert.deepEqual(admitted, ['all', 'a1', 'b1', 'c1', 'a2', 'b2'])
  budget.giveBack('a', 1)
  budget.giveBack('b', 1)
  await turn()
  assert.equal(admitted.at(-1), 'a3')
  assert.equal(budget.waiting, 0)
})

test('invariant 7: however machines come and go, no byte of the budget is lost or given twice.', async () => {
  const random = new Random(20)
  const total = 1000
  const budget = new MemoryBudget(total)
  const held: { machine: string; sizeBytes: number; body: Readable }[] = []
  let heldBytes = 0
  for (let step = 0; step < 5000; step += 1) {
    if (random.chance(0.6)) {
      const each = {
        machine: `m${random.below(9)}`,
        sizeBytes: 1 + random.below(random.pick([10, total])),
        body: body(),
      }
      void budget.take(each.machine, each.sizeBytes, each.body).then((isAdmitted) => {
        if (!isAdmitted) return
        heldBytes += each.sizeBytes
        held.push(each)
      })
      if (random.chance(0.2)) each.body.destroy()
    } else if (held.length > 0) {
      const [each] = held.splice(random.below(held.length), 1)
      heldBytes -= each!.sizeBytes
      budget.giveBack(each!.machine, each!.sizeBytes)
    }
    await turn()
    assert.ok(heldBytes <= total, `${heldBytes} at step ${step}`)
  }
  while (held.length > 0) {
    const { machine, sizeBytes } = held.pop()!
    budget.giveBack(machine, sizeBytes)
    await turn()
  }
  assert.equal(budget.waiting, 0)
  assert.equal(await budget.take('whole', total, body()), true)
})
