import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { networkState } from '../../src/probe/network-state.ts'

const ipv4Head =
  'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'
const zero = '0'.repeat(32)
const nextHop = 'fe80000000000000000000000000000a'

let proc: string
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'longshore-net-'))
  mkdirSync(join(proc, 'net'))
})
afterEach(() => rmSync(proc, { recursive: true }))

function fingerprint(ipv4: readonly string[], ipv6: readonly string[]): string {
  writeFileSync(join(proc, 'net/route'), [ipv4Head, ...ipv4, ''].join('\n'))
  writeFileSync(join(proc, 'net/ipv6_route'), [...ipv6, ''].join('\n'))
  return networkState(proc).fingerprint
}

const ipv4 = (name: string, destination: string, gateway: string, uses = 0) =>
  `${name}\t${destination}\t${gateway}\t0003\t0\t${uses}\t100\t${destination === '00000000' ? '00000000' : '00FFFFFF'}\t0\t0\t0   `
const ipv6 = (name: string, destination: string, prefix: string, uses = '00000000') =>
  `${destination} ${prefix} ${zero} 00 ${nextHop} 00000400 00000001 ${uses} 00000003     ${name}`

describe('the state of the network', () => {
  test('has every address of this device, its loopback too', () => {
    const { addresses } = networkState(proc)
    const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    assert.deepEqual(
      addresses,
      all.map(({ address }) => address),
    )
    assert.ok(addresses?.includes('127.0.0.1'))
  })

  test('is the same as long as nothing changes, however much is sent', () => {
    const before = fingerprint([ipv4('eth0', '00000000', '0101A8C0')], [ipv6('eth0', zero, '00')])
    const after = fingerprint(
      [ipv4('eth0', '00000000', '0101A8C0', 12)],
      [ipv6('eth0', zero, '00', '00000fff')],
    )
    assert.equal(after, before)
  })

  test('is another with each default route that comes, goes or leads elsewhere', () => {
    const none = fingerprint([], [])
    const one = fingerprint([ipv4('eth0', '00000000', '0101A8C0')], [])
    const other = fingerprint([ipv4('eth0', '00000000', '0201A8C0')], [])
    const both = fingerprint([ipv4('eth0', '00000000', '0101A8C0')], [ipv6('wlan0', zero, '00')])
    const moved = fingerprint([ipv4('wwan0', '00000000', '0101A8C0')], [])
    assert.equal(new Set([none, one, other, both, moved]).size, 5)
  })

  test('knows no other routes: those of containers come and go all day', () => {
    const fd00 = `fd${'0'.repeat(30)}`
    const routes = [ipv4('docker0', '0011AC', '00000000')]
    const others = fingerprint(routes, [ipv6('docker0', fd00, '40'), ipv6('lo', zero, '00')])
    assert.equal(others, fingerprint([], []))
  })

  test('can do without /proc', () => {
    const addresses = Object.values(networkInterfaces()).flat()
    const hasAddress = addresses.some((each) => each?.internal === false)
    assert.equal(networkState(join(proc, 'nowhere')).hasAddress, hasAddress)
    assert.equal(networkState(join(proc, 'nowhere')).fingerprint, fingerprint([], []))
  })

  test('of this machine can be read', () => {
    assert.equal(networkState().fingerprint, networkState().fingerprint)
  })
})
