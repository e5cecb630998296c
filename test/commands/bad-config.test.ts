import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { longshoreRun } from '../support/longshore-process.ts'

let top: string
let config: string

before(() => {
  top = mkdtempSync(join(tmpdir(), 'longshore-test-config-'))
  mkdirSync(join(top, 'capture'))
  config = join(top, 'robot.json')
})

after(() => rmSync(top, { recursive: true, force: true }))

function withAttributes(attributes: Record<string, unknown>, cloud: Record<string, unknown> = {}) {
  return JSON.stringify({
    cloud: { app_address: 'https://localhost:1', id: 'r', secret: 'secret-of-r', ...cloud },
    services: [
      {
        name: 'dm',
        type: 'data_manager',
        attributes: { capture_dir: join(top, 'capture'), ...attributes },
      },
    ],
  })
}

const cases: readonly (readonly [what: string, text: () => string, pattern: RegExp])[] = [
  ['is empty', () => '', /config_not_json/],
  ['is not JSON', () => '{ "cloud": }', /line 1/],
  ['has a wrong type', () => withAttributes({ tags: 'x' }), /tags/],
  ['has a negative number', () => withAttributes({ sync_interval_mins: -1 }), /sync_interval_mins/],
  ['has a typo', () => withAttributes({ capture_dirs: '/x' }), /capture_dir/],
  [
    'has an unsafe root',
    () => withAttributes({ additional_sync_paths: ['/'] }),
    /additional_sync_paths/,
  ],
  [
    'asks for what is not there yet',
    () => withAttributes({ longshore: { keep_hours: 3 } }),
    /keep_hours/,
  ],
  [
    "would send to Viam's cloud",
    () => withAttributes({}, { app_address: 'https://app.viam.com' }),
    /viam/i,
  ],
  ['has a CA that is none', () => withAttributes({}, { ca_pem: 'nonsense' }), /ca_pem/],
]

describe('a config file that', () => {
  for (const [what, text, pattern] of cases) {
    test(`${what} ends with 2 and says where`, async () => {
      writeFileSync(config, text(), { mode: 0o600 })
      const { status, stderr } = await longshoreRun(['check', '--config', config])
      assert.equal(status, 2, stderr)
      assert.match(stderr, pattern)
      assert.doesNotMatch(stderr, /secret-of-r/)
      assert.doesNotMatch(stderr, /\n\s+at /)
    })
  }

  test('is wrong ends every command of the device with 2', async () => {
    writeFileSync(config, withAttributes({ tags: 'x' }), { mode: 0o600 })
    const runs = ['check', 'sync', 'run'].map((name) => longshoreRun([name, '--config', config]))
    for (const { status } of await Promise.all(runs)) assert.equal(status, 2)
  })

  test('is not there ends with 2 and says where it was looked for', async () => {
    const { status, stderr } = await longshoreRun(['check', '--config', join(top, 'nothing.json')])
    assert.equal(status, 2)
    assert.match(stderr, /nothing\.json/)
  })

  test('others can read gets a warning while it holds a secret', async () => {
    rmSync(config)
    writeFileSync(config, withAttributes({}), { mode: 0o644 })
    const { stdout } = await longshoreRun(['check', '--config', config])
    assert.match(stdout, /note .*chmod 600/)
  })

  test('uses what only viam-server acts on gets a line for each in check', async () => {
    writeFileSync(
      config,
      withAttributes({ capture_disabled: true, maximum_capture_file_size_bytes: 5 }),
    )
    const { stdout } = await longshoreRun(['check', '--config', config])
    assert.match(stdout, /note .*capture_disabled/)
    assert.match(stdout, /note .*maximum_capture_file_size_bytes/)
    assert.match(stdout, /ok .*disk-full rule: off; no file is removed before it is stored/)
  })

  test('lets files go unsent on a full disk: check says when, and how full it is', async () => {
    writeFileSync(config, withAttributes({ delete_every_nth_when_disk_full: 4 }))
    const { stdout } = await longshoreRun(['check', '--config', config])
    assert.match(stdout, /note .*disk-full rule: ON: while the disk is 90% used, 50% of it by \//)
    assert.match(stdout, /removes 1 of 4 of its capture files WITHOUT uploading them; /)
    assert.match(stdout, /; (?:[\d.]+% used now, [\d.]+ \w+ left|how full it is cannot be told)/)
  })
})
