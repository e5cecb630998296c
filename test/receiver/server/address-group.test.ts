import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressGroup } from '../../../src/receiver/server/address-group.ts'

const groups: readonly (readonly [string | undefined, string])[] = [
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::9', '2001:db8:1:3::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
  ['1:2:3:4:5:6:192.0.2.7', '1:2:3:4::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['what is this', 'what is this'],
  [undefined, 'unknown'],
]

test('An IPv4 address stands for itself, an IPv6 address for its /64, however they are written.', () => {
  for (const [address, group] of groups) assert.equal(addressGroup(address), group)
})
