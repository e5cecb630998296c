import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

export interface NetworkState {
  /** Two states with the same text are the same, as far as a way to the receiver goes. */
  readonly fingerprint: string
  /** False when this device has no address but its own loopback. */
  readonly hasAddress: boolean
  /** All of this device, its loopback included; undefined when the system did not tell. */
  readonly addresses?: readonly string[]
}

/** The destination of everything that has no route of its own. */
const defaultIpv4 = '00000000'
const defaultIpv6 = '0'.repeat(32)

/**
 * The addresses of this device and its default routes, as the kernel has them now. Costs two small
 * reads from procfs and one system call; no disk and no other process is involved.
 */
export function networkState(procFolder = '/proc'): NetworkState {
  const known = interfaces()
  const all = Object.entries(known ?? {}).flatMap(([name, list]) =>
    (list ?? []).map((each) => ({ name, ...each })),
  )
  const addresses = all
    .filter(({ internal }) => !internal)
    .map(({ name, cidr, address }) => `${name} ${cidr ?? address}`)
  const routes = [
    ...ipv4DefaultRoutes(readTable(`${procFolder}/net/route`)),
    ...ipv6DefaultRoutes(readTable(`${procFolder}/net/ipv6_route`)),
  ]
  return {
    fingerprint: [...addresses, ...routes].sort().join('\n'),
    hasAddress: addresses.length > 0,
    ...(known !== undefined && { addresses: all.map(({ address }) => address) }),
  }
}

/** The system refuses while it has no descriptor to spare: then nothing is known, which is no change to act on. */
function interfaces(): ReturnType<typeof networkInterfaces> | undefined {
  try {
    return networkInterfaces()
  } catch {
    return undefined
  }
}

/** Where /proc is hidden, or the kernel has no IPv6, the addresses have to do. */
function readTable(path: string): string[][] {
  try {
    const lines = readFileSync(path, 'latin1').split('\n')
    return lines.map((line) => line.split(/\s+/).filter((word) => word !== ''))
  } catch {
    return []
  }
}

/** Interface, destination, gateway, flags, references, uses, metric, mask ... */
function ipv4DefaultRoutes(lines: readonly string[][]): string[] {
  return lines
    .filter(
      ([, destination, , , , , , mask]) => destination === defaultIpv4 && mask === defaultIpv4,
    )
    .map(([name, , gateway, , , , metric]) => `route ${name} ${gateway} ${metric}`)
}

/** Destination, its prefix, source, its prefix, next hop, metric, references, uses, flags, interface. */
function ipv6DefaultRoutes(lines: readonly string[][]): string[] {
  return lines
    .filter(([destination, prefix]) => destination === defaultIpv6 && prefix === '00')
    .filter((line) => line[9] !== 'lo')
    .map((line) => `route ${line[9]} ${line[4]} ${line[5]}`)
}
