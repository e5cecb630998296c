import type { BytePath } from '../../src/base/byte-path.ts'
import type { ConfigContext, TextFile } from '../../src/config/context.ts'
import type { RootFacts } from '../../src/config/unsafe-roots.ts'

/** A self-signed certificate for tests. Nobody has its key. */
export const testCaPem = `-----BEGIN CERTIFICATE-----
MIIBjjCCATWgAwIBAgIUEBMtlFtLtRzFc5T7XP7hp1yhClIwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRTG9uZ3Nob3JlIHRlc3QgQ0EwIBcNMjYxMTIyMTMxMzUwWhgP
MjEyNjEwMjkxMzEzNTBaMBwxGjAYBgNVBAMMEUxvbmdzaG9yZSB0ZXN0IENBMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESf36S6W+N71LvqD7ku79zH5mbvmKhZ6/
/CncZJkQGjClvvZNxH2IzSjlfEIbaEs7ULrwPeGmcdBwyKKQkMQwaaNTMFEwHQYD
VR0OBBYEFDkwlH7PQvEAeOK1NtF8yqyIdnr0MB8GA1UdIwQYMBaAFDkwlH7PQvEA
eOK1NtF8yqyIdnr0MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIg
OFf+XkJP9XAmLfkNo2Nj2id2hEmdg+Cu7HluxdReIygCIB9LG+1nB+jeKhxQsTtY
LSZY71Pkb2QaxbkSuckmEmCO
-----END CERTIFICATE-----
`

export const fakeRootFacts: RootFacts = {
  homeDirs: ['/root', '/home/pi', '/srv/accounts/robot', '/'] as BytePath[],
  ownFiles: ['/srv/robot/conf/config.json', '/srv/node/bin/node'] as BytePath[],
  installation: '/srv/apps/longshore' as BytePath,
  isReceiverData: (folder) => folder === '/srv/received',
}

export interface FakeContextOptions extends Partial<Omit<ConfigContext, 'readFile'>> {
  readonly files?: Readonly<Record<string, TextFile>>
  readonly links?: Readonly<Record<string, string>>
}

/** A computer on which only what the options name exists. */
export function fakeContext({ files = {}, links = {}, ...rest }: FakeContextOptions = {}) {
  const context: ConfigContext = {
    configPath: '/srv/robot/conf/config.json' as BytePath,
    configReadableByOthers: false,
    homeDir: '/home/pi',
    env: {},
    readFile: (path) => files[path] ?? { failure: 'no such file' },
    exists: () => false,
    list: () => [],
    resolve: (path) => (links[path] ?? path) as BytePath,
    rootFacts: fakeRootFacts,
    ...rest,
  }
  return context
}

export const cloud = { app_address: 'https://receiver.example:8443', id: 'm-1', secret: 'hush' }

/** A config with these attributes of the data manager. */
export function withAttributes(attributes: unknown): unknown {
  return { cloud, services: [{ name: 'dm', type: 'data_manager', attributes }] }
}

/** A config with this cloud block. */
export function withCloud(block: unknown): unknown {
  return { cloud: block, services: [{ type: 'data_manager' }] }
}
