import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BytePath } from '../../src/base/byte-path.ts'
import { cloud, withAttributes } from './fake-context.ts'
import { accepted, refused, refusedFor } from './parsed.ts'

const dataManager = { type: 'data_manager', attributes: {} }

describe('a machine config', () => {
  it('has its data manager found by type or by api, under any name and at any place', () => {
    const byType = { services: [{ type: 'vision' }, { name: 'x', type: 'data_manager' }], cloud }
    assert.equal(accepted(byType).config.dataManager.syncIntervalMs, 6000)
    const attributes = { sync_interval_mins: 1 }
    const byApi = { services: [{ api: 'rdk:service:data_manager', attributes }], cloud }
    assert.equal(accepted(byApi).config.dataManager.syncIntervalMs, 60_000)
  })

  it('is refused without a data manager, and with two', () => {
    refusedFor({ cloud }, /^services: expected one service .* found none among 0$/)
    const services = [{ type: 'vision' }, { type: 'datamanager' }]
    refusedFor({ cloud, services }, /found none among 2$/)
    const two = [dataManager, {}, { api: 'rdk:service:data_manager' }]
    refusedFor({ cloud, services: two }, /found services\[0\], services\[2\]$/)
  })

  it('may hold what viam-server uses, which is noted once', () => {
    const { notes } = accepted({
      cloud,
      modules: [],
      remotes: [],
      network: {},
      auth: { anything: 1 },
      fragments: ['f'],
      agent: {},
      components: [{ name: 'cam', service_configs: [{ type: 'data_manager' }] }],
      services: [dataManager, { type: 'vision' }],
    })
    const keyPath = 'modules, remotes, network, auth, fragments, agent, components'
    const message = 'not used by Longshore'
    assert.deepEqual(notes, [{ keyPath: `${keyPath}, the other services`, message }])
  })

  it('is refused where a key looks like a typo of one that is used', () => {
    const typos = { cloud, service: [], clouds: {}, component: [], services: [dataManager] }
    assert.deepEqual(refused(typos), [
      'service: expected a known key, found an unknown one (did you mean "services"?)',
      'clouds: expected a known key, found an unknown one (did you mean "cloud"?)',
      'component: expected a known key, found an unknown one (did you mean "components"?)',
    ])
  })

  it('gets a note for any other unknown key', () => {
    const { notes } = accepted({ cloud, comment: 'x', services: [{ ...dataManager, color: 1 }] })
    assert.deepEqual(
      notes.map(({ keyPath }) => keyPath),
      ['comment', 'services[0].color'],
    )
  })

  it('is refused where an attribute stands in the service instead of in its attributes', () => {
    const services = [{ type: 'data_manager', capture_dir: '/data', atributes: {} }]
    const lines = refused({ cloud, services })
    assert.match(
      lines[0]!,
      /services\[0\]\.capture_dir: .*belongs in the data manager's attributes/,
    )
    assert.match(lines[1]!, /services\[0\]\.atributes: .*did you mean "attributes"/)
  })

  it('is refused where lists and objects are something else', () => {
    refusedFor([], /^the whole file: expected an object, found a list of 0$/)
    refusedFor(null, /^the whole file: expected an object, found null$/)
    refusedFor({ cloud, services: {} }, /^services: expected a list of objects, found an object$/)
    refusedFor({ cloud: 'hush', services: [dataManager] }, /^cloud: expected an object, found a te/)
    const attributes = { cloud, services: [{ type: 'data_manager', attributes: 3 }] }
    refusedFor(attributes, /^services\[0\]\.attributes: expected an object, found a number$/)
    const items = { cloud, components: [1], services: [dataManager, 'hush'] }
    assert.equal(refused(items).length, 2)
  })

  it('has all its problems reported at once', () => {
    const lines = refused({
      clouds: {},
      cloud: { app_address: 'receiver', id: '', secret: '' },
      services: [{ type: 'data_manager', attributes: { tag: 1, sync_interval_mins: -1 } }],
    })
    assert.equal(lines.length, 6, lines.join('\n'))
  })
})

describe('roots', () => {
  const attributes = 'services[0].attributes'

  it('are refused when they are unsafe, with the way to insist', () => {
    refusedFor(
      withAttributes({ additional_sync_paths: ['/logs', '/etc/'] }),
      /additional_sync_paths\[1\]: .* found "\/etc": it belongs to the operating system \(.*add "\/etc" to services\[0\]\.attributes\.longshore\.allow_unsafe_roots\)$/,
    )
  })

  it('are judged without symbolic links, and allowed by the name without them', () => {
    const links = { '/data': '/etc' }
    const allow = (path: string) =>
      withAttributes({ capture_dir: '/data', longshore: { allow_unsafe_roots: [path] } })
    refusedFor(allow('/data'), /found "\/etc": it belongs/, { links })
    assert.deepEqual(accepted(allow('/etc/'), { links }).notes, [])
  })

  it('are allowed only by exactly the same path', () => {
    const json = withAttributes({
      additional_sync_paths: ['/etc/robot'],
      longshore: { allow_unsafe_roots: ['/etc'] },
    })
    refusedFor(json, /found "\/etc\/robot"/)
  })

  it('keep their places in messages when another one is wrong', () => {
    const lines = refused(
      withAttributes({
        additional_sync_paths: [3, '/etc'],
        longshore: { allow_unsafe_roots: ['x', '/'] },
      }),
    )
    assert.deepEqual(
      lines.map((line) => line.split(':')[0]),
      [
        `${attributes}.additional_sync_paths[0]`,
        `${attributes}.longshore.allow_unsafe_roots[0]`,
        `${attributes}.additional_sync_paths[1]`,
      ],
    )
  })

  it('get a note for a permission that none of them needs', () => {
    const { notes } = accepted(withAttributes({ longshore: { allow_unsafe_roots: ['/opt'] } }))
    const keyPath = `${attributes}.longshore.allow_unsafe_roots[0]`
    assert.deepEqual(notes, [{ keyPath, message: 'no root is /opt: this entry has no effect' }])
  })

  it('are refused when they contain the config file, the secret or the certificate', () => {
    refusedFor(withAttributes({ capture_dir: '/srv/robot' }), /contains \/srv\/robot\/conf\/config/)
    const files = { '/keys/secret': { text: 'hush', readableByOthers: false } }
    const json = {
      cloud: { app_address: 'https://r', id: 'm', secret_file: '/keys/secret' },
      services: [{ type: 'data_manager', attributes: { capture_dir: '/keys' } }],
    }
    refusedFor(json, /it contains \/keys\/secret, which Longshore itself needs/, { files })
  })
})

describe('the default capture_dir', () => {
  const present = (...paths: string[]) => ({
    exists: (path: BytePath) => paths.includes(path),
    list: () => ['pi', 'robot'] as BytePath[],
  })

  it('is refused where it is missing and another account has captured', () => {
    const others = present('/root/.viam/capture', '/home/robot/.viam/capture')
    refusedFor(
      withAttributes({}),
      /capture_dir: .* default \/home\/pi\/\.viam\/capture does not exist, but there is \/root\/\.viam\/capture and \/home\/robot\/\.viam\/capture \(set capture_dir\)$/,
      others,
    )
  })

  it('is taken where it exists, or where nobody has captured', () => {
    accepted(withAttributes({}), present('/home/pi/.viam/capture', '/root/.viam/capture'))
    accepted(withAttributes({}), present())
  })

  it('does not matter where capture_dir is set', () => {
    accepted(withAttributes({ capture_dir: '/data' }), present('/root/.viam/capture'))
  })

  it('is refused in an account without a home directory', () => {
    refusedFor(withAttributes({}), /capture_dir: .*no home directory/, { homeDir: '' })
    const tilde = withAttributes({ capture_dir: '~/x' })
    refusedFor(tilde, /~ in an account without a home directory/, { homeDir: '' })
  })
})
