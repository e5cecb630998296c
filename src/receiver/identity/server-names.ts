import { isIP, isIPv4 } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { domainToASCII } from 'node:url'
import { LongshoreError } from '../../base/errors.ts'
import { shown } from './folder-errors.ts'

/** Stricter than `domainToASCII`, which drops tabs and stops at a slash. Letters of all scripts. */
const dnsCharacters = /^[\p{L}\p{M}\p{N}._-]+$/u
/** Underscores are no host names by RFC 1123, but local networks and containers use them. */
const dnsLabel = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/

/**
 * The one spelling of a host that names are compared in: IPv6 shortened as in RFC 5952, without
 * brackets and zone id (which means something on one computer only); DNS names in lower case ASCII,
 * without the final dot. Undefined for what is neither, wildcards included.
 */
export function normalHost(text: string): string | undefined {
  const host = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  if (isIPv4(host)) return host
  if (isIP(host) !== 0) return URL.parse(`http://[${host}]/`)?.hostname.slice(1, -1)
  if (!dnsCharacters.test(text)) return undefined
  const name = domainToASCII(text.replace(/\.$/, ''))
  const isDnsName =
    name.length <= 253 && isIP(name) === 0 && name.split('.').every((label) => dnsLabel.test(label))
  return isDnsName ? name : undefined
}

/**
 * The names and addresses by which this computer can be reached now: its host name, that name in
 * `.local` (mDNS), `localhost`, and the addresses of all its interfaces. In normal spelling, sorted.
 */
export function localNames(): string[] {
  const host = normalHost(hostname()) ?? 'localhost'
  const names = [host, 'localhost', '127.0.0.1', '::1', ...localAddresses()]
  if (isIP(host) === 0 && !host.includes('.') && host !== 'localhost') names.push(`${host}.local`)
  return uniqueHosts(names)
}

/**
 * Checks the names a person wants the receiver to be known by (`--name`).
 *
 * @throws LongshoreError `usage`
 */
export function parseExtraNames(texts: readonly string[]): string[] {
  for (const text of texts) {
    if (normalHost(text) !== undefined) continue
    throw new LongshoreError(
      'usage',
      `--name "${shown(text)}" is neither a host name nor an IP address.`,
      {
        hint: 'Give the name as devices will use it, without https:// and port, for example --name receiver.example.',
      },
    )
  }
  return uniqueHosts(texts)
}

/** In normal spelling, each once, sorted; what is no host is left out. */
export function uniqueHosts(texts: readonly string[]): string[] {
  return [...new Set(texts.map(normalHost).filter((host) => host !== undefined))].sort()
}

function localAddresses(): string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).map(({ address }) => address),
    )
  } catch {
    // A sandbox without AF_NETLINK does not let us look; names and --name still work.
    return []
  }
}
