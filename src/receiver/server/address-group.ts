import { isIPv6 } from 'node:net'

/**
 * What counts as one sender when something is limited by address: an IPv4 address, or the /64 of an
 * IPv6 address, of which anybody who has one has 2^64.
 */
export function addressGroup(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  // How IPv4 senders appear to a receiver that listens on ::.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const plain = address.split('%', 1)[0]!
  if (!isIPv6(plain)) return address
  const [head = '', tail] = plain.toLowerCase().split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  // A dotted end stands for two groups; it is never among the first four that count.
  const afterGroups = after.length + (after.at(-1)?.includes('.') ? 1 : 0)
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - afterGroups) }, () => '0')
  const groups = [...before, ...zeros, ...after].slice(0, 4)
  return `${groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`
}
