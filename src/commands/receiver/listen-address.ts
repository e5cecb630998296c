import { BlockList, isIP } from 'node:net'
import { LongshoreError } from '../../base/errors.ts'

export interface ListenAddress {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
}

/** Reads `--listen`: `HOST:PORT`, `[IPV6]:PORT` or `:PORT`. @throws LongshoreError `usage` */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new LongshoreError(
      'usage',
      `--listen: expected HOST:PORT, found ${JSON.stringify(text)}`,
      {
        hint: 'For example --listen 0.0.0.0:8443, or --listen 127.0.0.1:0 for any free port.',
      },
    )
  }
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port }
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  const family = isIP(host)
  return family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
