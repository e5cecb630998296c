import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InstanceWatch } from '../../../src/receiver/server/instance-watch.ts'

const [a, b, c] = ['a', 'b', 'c'].map((char) => char.repeat(32)) as [string, string, string]

function watch() {
  const time = { nowMs: 0 }
  const made = new InstanceWatch(() => time.nowMs)
  const seen = (name: string | string[] | undefined, machine = 'robot') =>
    made.seen(machine, name, `address of ${String(name)[0]}`)
  return { time, seen }
}

test('Two devices that take turns are told, with where they are, once an hour.', () => {
  const { time, seen } = watch()
  assert.deepEqual([seen(a), seen(b), seen(a)], [undefined, undefined, undefined])
  assert.deepEqual(seen(b), { remotes: ['address of a', 'address of b'] })
  for (let turn = 0; turn < 3590; turn += 1) {
    time.nowMs += 1000
    assert.equal(seen(turn % 2 === 0 ? a : b), undefined)
  }
  time.nowMs += 10_000
  assert.notEqual(seen(a), undefined)
})

test('Devices that take turns more slowly than within a minute are not told apart from restarts.', () => {
  const { time, seen } = watch()
  for (let turn = 0; turn < 10; turn += 1) {
    time.nowMs += 60_000
    assert.equal(seen(turn % 2 === 0 ? a : b), undefined)
  }
})

test('A restart, or any number of them, is not reported, also when one request comes late.', () => {
  const { seen } = watch()
  assert.equal(seen(a), undefined)
  for (let restart = 0; restart < 100; restart += 1) {
    assert.equal(seen(restart.toString(16).padStart(32, '0')), undefined)
  }
  const other = watch()
  for (const name of [a, b, a, b.replaceAll('b', 'd'), c]) assert.equal(other.seen(name), undefined)
})

test('A second program that runs now and then beside a daemon is not reported.', () => {
  const { seen } = watch()
  for (let time = 0; time < 20; time += 1) {
    assert.equal(seen(a), undefined)
    assert.equal(seen(time.toString(16).padStart(32, '0')), undefined)
  }
})

test('More than two devices are noticed as well, and machines do not mix.', () => {
  const { seen } = watch()
  const reports = [a, b, c, a, b].map((name) => seen(name))
  assert.deepEqual(
    reports.map((report) => report !== undefined),
    [false, false, false, false, true],
  )
  const machines = watch()
  for (let turn = 0; turn < 10; turn += 1) {
    assert.equal(machines.seen(a, 'one'), undefined)
    assert.equal(machines.seen(b, 'two'), undefined)
  }
})

test('invariant 9: what is no name of a process is ignored.', () => {
  const { seen } = watch()
  const odd = [undefined, '', 'x', 'A'.repeat(32), `${a}0`, [a, b], a.slice(1)]
  for (let turn = 0; turn < 10; turn += 1) {
    for (const name of odd) assert.equal(seen(name), undefined)
  }
})
