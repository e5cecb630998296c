import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionShares } from '../../../src/receiver/server/connection-shares.ts'

test('invariant 9: beyond the limit for strangers, the oldest of the address with most must give way.', () => {
  const shares = new ConnectionShares({ maxStrangers: 4, maxPerMachine: 10 })
  assert.equal(shares.arrived('device', '192.0.2.1'), undefined)
  for (const key of ['a', 'b', 'c']) assert.equal(shares.arrived(key, '192.0.2.66'), undefined)
  assert.equal(shares.arrived('d', '192.0.2.66'), 'a')
  shares.left('a')
  assert.equal(shares.arrived('another device', '192.0.2.2'), 'b')
  shares.left('b')
  assert.equal(shares.strangers, 4)
  // Whoever has shown who it is does not count any more.
  assert.equal(shares.admitted('device', 'robot'), undefined)
  assert.equal(shares.strangers, 3)
  assert.equal(shares.arrived('e', '192.0.2.66'), undefined)
})

test('invariant 9: the addresses of one /64 count as one sender.', () => {
  const shares = new ConnectionShares({ maxStrangers: 3, maxPerMachine: 10 })
  shares.arrived('device', '2001:db8:0:1::1')
  shares.arrived('a', '2001:db8:0:66::1')
  shares.arrived('b', '2001:db8:0:66::2')
  assert.equal(shares.arrived('c', '2001:db8:0:66::3'), 'a')
})

test('invariant 9: a machine beyond its share loses its oldest connection, and others none.', () => {
  const shares = new ConnectionShares({ maxStrangers: 100, maxPerMachine: 2 })
  const admit = (key: string, machine: string) => {
    shares.arrived(key, '192.0.2.1')
    return shares.admitted(key, machine)
  }
  assert.equal(admit('other', 'other'), undefined)
  assert.deepEqual([admit('1', 'robot'), admit('2', 'robot')], [undefined, undefined])
  // Asked again on a connection that is known.
  assert.equal(shares.admitted('1', 'robot'), undefined)
  assert.equal(admit('3', 'robot'), '1')
  shares.left('1')
  shares.left('3')
  assert.equal(admit('4', 'robot'), undefined)
})

test('Nothing is left of connections that have ended, and a key may come again.', () => {
  const shares = new ConnectionShares({ maxStrangers: 2, maxPerMachine: 2 })
  for (let time = 0; time < 10; time += 1) {
    assert.equal(shares.arrived('same', '192.0.2.1'), undefined)
  }
  assert.equal(shares.strangers, 1)
  shares.left('same')
  shares.left('same')
  shares.left('never there')
  assert.equal(shares.strangers, 0)
  assert.equal(shares.admitted('same', 'robot'), undefined)
})
