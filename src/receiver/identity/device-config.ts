import { BlockList, isIP } from 'node:net'
import { LongshoreError } from '../../base/errors.ts'
import { shown } from './folder-errors.ts'
import type { MachineId } from './machine-id.ts'

/** A device's whole config file, in the structure of a Viam machine config. */
export interface DeviceConfig {
  readonly cloud: {
    readonly app_address: string
    readonly id: string
    readonly secret: string
    readonly ca_pem?: string
  }
  readonly components: readonly []
  readonly services: readonly [
    {
      readonly name: 'data_manager'
      readonly type: 'data_manager'
      readonly attributes: {
        readonly capture_dir: string
        readonly additional_sync_paths: readonly string[]
        readonly sync_interval_mins: number
        readonly tags: readonly string[]
      }
    },
  ]
}

export interface DeviceConfigOptions {
  readonly id: MachineId
  readonly secret: string
  /** The receiver as the device reaches it: `https://HOST[:PORT]`. */
  readonly address: string
  /** Undefined where devices trust the receiver's certificate by the system's own CAs. */
  readonly caPem: string | undefined
}

/**
 * The config file that makes a device send to this receiver, with the attributes people change first
 * spelled out at their defaults. Holds the machine's secret.
 *
 * @throws LongshoreError `address_invalid`
 */
export function deviceConfigFor(options: DeviceConfigOptions): DeviceConfig {
  const { id, secret, caPem } = options
  const appAddress = parseReceiverAddress(options.address).origin
  return {
    cloud: {
      app_address: appAddress,
      id,
      secret,
      ...(caPem === undefined ? {} : { ca_pem: caPem }),
    },
    components: [],
    services: [
      {
        name: 'data_manager',
        type: 'data_manager',
        attributes: {
          capture_dir: '',
          additional_sync_paths: [],
          sync_interval_mins: 0.1,
          tags: [],
        },
      },
    ],
  }
}

/** An address that a device can be given. */
export interface ReceiverAddress {
  /** `https://host[:port]`, without the default port. */
  readonly origin: string
  /** The DNS name or IP address alone, IPv6 without brackets. */
  readonly host: string
}

/**
 * Checks the address a device is to send to. Cleartext goes to loopback only: it would carry the
 * machine's secret.
 *
 * @throws LongshoreError `address_invalid`; the message never shows a user name or password
 */
export function parseReceiverAddress(text: string): ReceiverAddress {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || !/^https?:\/\//i.test(text)) {
    throw invalid(text, 'is not an https address')
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(text, 'must not contain a user name or password')
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw invalid(text, 'must end after host and port')
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (host === '0.0.0.0' || host === '::') {
    throw invalid(text, 'means every address of a computer, so no device can be sent there')
  }
  if (url.protocol === 'http:' && !isLoopback(host)) {
    throw invalid(text, 'is not encrypted, which is allowed to this computer itself only')
  }
  return { origin: url.origin, host }
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  const version = isIP(host)
  if (version === 0) return host === 'localhost'
  return loopback.check(host, version === 4 ? 'ipv4' : 'ipv6')
}

function invalid(text: string, why: string): LongshoreError {
  const safeText = shown(text.replace(/^(.*\/\/)?.*@/s, '$1'))
  return new LongshoreError('address_invalid', `The address "${safeText}" ${why}.`, {
    hint: "Give the receiver's name or IP address as the device reaches it, for example --address https://receiver.local:8443.",
  })
}
