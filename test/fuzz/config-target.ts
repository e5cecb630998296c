import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LongshoreError } from '../../src/base/errors.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { testCaPem } from '../config/fake-context.ts'
import { mutated } from '../wire/manifests.ts'
import type { Random } from '../wire/random.ts'
import { type FuzzTarget, outcomeOf } from './fuzz-target.ts'

const secret = 'Z9secretsecretZ9'
const expected = new Set(['config_unreadable', 'config_not_json', 'config_invalid'])

const values: readonly unknown[] = [
  ...[null, true, false, 0, -1, 0.1, 1.5, 1000, 1e9, '', ' ', '/data', '~', '~/x', 'relative'],
  ...[
    '/',
    '/etc',
    '/home',
    '/tmp/..',
    '\u001b[31m',
    '\0',
    '\u202e',
    'x'.repeat(5000),
    'https://h:1',
  ],
  ...[
    'http://127.0.0.1:80',
    'https://app.viam.com',
    'https://a:b@h/',
    [],
    ['a'],
    [1],
    {},
    { a: 1 },
  ],
]

const cloudKeys = [
  'app_address',
  'id',
  'secret',
  'ca_pem',
  'ca_file',
  'secret_file',
  'location_id',
  'idd',
]
const serviceKeys = ['name', 'type', 'api', 'model', 'namespace', 'attributes', 'disabled']
const attributeKeys = [
  ...['capture_dir', 'additional_sync_paths', 'sync_interval_mins', 'sync_disabled', 'tags'],
  ...['maximum_num_sync_threads', 'file_last_modified_millis', 'selective_syncer_name'],
  ...['delete_every_nth_when_disk_full', 'disk_usage_deletion_threshold', 'capture_disabled'],
  ...['longshore', 'capture_dirr', '__proto__', 'constructor', 'x\u001b[2J'],
]
const ownKeys = ['uploads_in_flight', 'allow_unsafe_roots', 'delete_after_sync', 'upload_in_flight']

function some(random: Random, keys: readonly string[], most: number): Record<string, unknown> {
  return Object.fromEntries(
    random.list(most, () => [random.pick(keys), random.pick(values)] as const),
  )
}

function randomText(random: Random): Buffer {
  const attributes = {
    capture_dir: '/data/capture',
    ...some(random, attributeKeys, 4),
    ...(random.chance(0.4) && { longshore: some(random, ownKeys, 3) }),
  }
  const service = {
    name: 'dm',
    type: 'data_manager',
    attributes,
    ...some(random, serviceKeys, random.below(2)),
  }
  const config = {
    cloud: {
      app_address: 'https://receiver.example:8443',
      id: 'robot',
      secret,
      ca_pem: testCaPem,
      ...some(
        random,
        cloudKeys.filter((key) => key !== 'secret'),
        random.below(3),
      ),
    },
    services: random.chance(0.9) ? [service] : random.pick(values),
    ...(random.chance(0.2) && { components: random.pick(values) }),
  }
  const text = Buffer.from(JSON.stringify(config, undefined, random.below(3)))
  return random.chance(0.5) ? text : mutated(random, text)
}

/** The file is read as the daemon reads it, from a folder that lasts as long as the process. */
class ConfigTarget implements FuzzTarget {
  readonly name = 'config'
  #path: string | undefined

  async run(random: Random): Promise<string> {
    const path = this.#file()
    const text = randomText(random)
    writeFileSync(path, text, { mode: 0o600 })
    const hidden = hasSecretElsewhere(text) ? [] : [secret]
    try {
      const { notes } = await loadConfig({ path, env: {}, homeDir: '/home/pi' })
      for (const { message } of notes) assertHarmless(message, hidden)
      return `taken, ${notes.length} notes`
    } catch (error) {
      assert.ok(error instanceof LongshoreError, String(error))
      assert.ok(expected.has(error.code), error.code)
      assertHarmless(`${error.message} ${error.hint}`, hidden)
      const [, first = error.message] = error.message.split('\n')
      return outcomeOf(`${error.code}: ${first.split(':').slice(-2).join(':')}`)
    }
  }

  #file(): string {
    if (this.#path !== undefined) return this.#path
    const folder = mkdtempSync(join(tmpdir(), 'longshore-fuzz-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    this.#path = join(folder, 'config.json')
    return this.#path
  }
}

/** True when the file says that the secret is something else: then it is shown as that. */
function hasSecretElsewhere(text: Buffer): boolean {
  try {
    const json: { cloud?: { secret?: unknown } } | null = JSON.parse(text.toString('utf8'))
    return !String(json?.cloud?.secret).includes(secret)
  } catch {
    return false
  }
}

/** Neither quotes the secret nor drives a terminal. */
function assertHarmless(text: string, hidden: readonly string[]): void {
  for (const each of hidden) assert.ok(!text.includes(each), 'the secret is quoted')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
}

export const config: FuzzTarget = new ConfigTarget()
