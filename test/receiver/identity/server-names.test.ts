import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import {
  localNames,
  normalHost,
  parseExtraNames,
  uniqueHosts,
} from '../../../src/receiver/identity/server-names.ts'
import { coded } from './support.ts'

test('A host has one normal spelling.', () => {
  const spellings: [string, string | undefined][] = [
    ['Receiver.Example.', 'receiver.example'],
    ['my_pi', 'my_pi'],
    ['münchen.example', 'xn--mnchen-3ya.example'],
    ['10.0.0.1', '10.0.0.1'],
    ['[2001:DB8:0:0::1]', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
    ['0:0:0:0:0:0:0:1', '::1'],
  ]
  for (const [text, normal] of spellings) assert.equal(normalHost(text), normal, text)
})

test('What is no host has none.', () => {
  const wrong = [
    '',
    '.',
    'a..b',
    '*.example',
    '-a',
    'a-',
    'a b',
    'a/b',
    'https://a',
    'a:8443',
    '1.2.3',
    '256.1.1.1',
    '[a]',
    ':::',
    'a\n',
    'a\tb',
    'a?b',
    'a%62',
    'me@a',
    `${'x'.repeat(64)}.example`,
    `${'x.'.repeat(127)}xx`,
  ]
  for (const text of wrong) assert.equal(normalHost(text), undefined, text)
})

test('This computer has its host name, localhost, both loopback addresses and all of its own.', () => {
  const names = localNames()
  for (const name of ['localhost', '127.0.0.1', '::1']) assert.ok(names.includes(name), name)
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  for (const { address } of addresses) assert.ok(names.includes(normalHost(address)!), address)
  assert.deepEqual(names, uniqueHosts(names))
  assert.ok(!names.some((name) => name.includes('%')))
})

test('Extra names are put in normal spelling, and the first that is none is named.', () => {
  assert.deepEqual(parseExtraNames(['B.example', 'a.example', 'b.example', '[::1]']), [
    '::1',
    'a.example',
    'b.example',
  ])
  assert.throws(() => parseExtraNames(['a', 'https://a:1']), coded('usage', /"https:\/\/a:1"/))
})
