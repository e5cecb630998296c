import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withAttributes } from './fake-context.ts'
import { accepted, refused, refusedFor } from './parsed.ts'

const read = (attributes: unknown) => accepted(withAttributes(attributes)).config.dataManager
const at = (key: string) => `services[0].attributes.${key}`
const noteFor = (attributes: unknown, key: string) => {
  const { notes } = accepted(withAttributes(attributes))
  return notes.find(({ keyPath }) => keyPath === at(key))?.message
}

describe("the data manager's attributes", () => {
  it('have the documented defaults when none is set', () => {
    assert.deepEqual(read({}), {
      captureDir: '/home/pi/.viam/capture',
      additionalSyncPaths: [],
      syncIntervalMs: 6000,
      syncDisabled: false,
      maximumNumSyncThreads: 1000,
      quietMs: 10_000,
      selectiveSyncerName: undefined,
      tags: [],
      uploadsInFlight: 'auto',
      allowUnsafeRoots: [],
      removeEmptyFolders: false,
      diskFull: undefined,
    })
  })

  it('are read when they are set', () => {
    const values = read({
      capture_dir: '/data/capture',
      additional_sync_paths: ['/logs', '~/bags'],
      sync_interval_mins: 1.5,
      sync_disabled: true,
      maximum_num_sync_threads: 250,
      file_last_modified_millis: 1000,
      tags: ['a', 'b', 'a'],
      selective_syncer_name: 'on-wifi',
      longshore: {
        uploads_in_flight: 64,
        allow_unsafe_roots: ['/etc/x/'],
        remove_empty_folders: true,
      },
    })
    assert.deepEqual(values, {
      captureDir: '/data/capture',
      additionalSyncPaths: ['/logs', '/home/pi/bags'],
      syncIntervalMs: 90_000,
      syncDisabled: true,
      maximumNumSyncThreads: 250,
      quietMs: 1000,
      selectiveSyncerName: 'on-wifi',
      tags: ['a', 'b'],
      uploadsInFlight: 64,
      allowUnsafeRoots: ['/etc/x'],
      removeEmptyFolders: true,
      diskFull: undefined,
    })
  })

  it('are the default where Viam takes zero, the empty text or null for not set', () => {
    const unset = {
      capture_dir: '',
      additional_sync_paths: null,
      sync_interval_mins: 0,
      maximum_num_sync_threads: 0,
      file_last_modified_millis: 0,
      tags: null,
      selective_syncer_name: '',
      delete_every_nth_when_disk_full: 0,
      disk_usage_deletion_threshold: 0,
      capture_dir_deletion_threshold: 0,
      longshore: null,
    }
    assert.deepEqual(read(unset), read({}))
    assert.deepEqual(accepted(withAttributes(unset)).notes, [])
  })

  it('take an interval of up to 0.0001 minutes for not set and cut others to milliseconds', () => {
    const interval = (mins: number) => read({ sync_interval_mins: mins }).syncIntervalMs
    assert.equal(interval(0.0001), 6000)
    assert.equal(interval(0.00011), 6)
    assert.equal(interval(35_791), 2_147_460_000)
  })

  for (const [key, value, found] of [
    ['sync_interval_mins', -0.00001, /found -0.00001/],
    ['sync_interval_mins', 35_791.1, /from 0 to 35,791, found 35791.1$/],
    ['sync_interval_mins', Number.NaN, /found NaN/],
    ['sync_interval_mins', Number.POSITIVE_INFINITY, /found Infinity/],
    ['sync_interval_mins', '0.1', /found "0.1" \(no quotes\)/],
    ['maximum_num_sync_threads', -1, /whole number from 0 .* found -1/],
    ['maximum_num_sync_threads', 2.5, /whole number .* found 2.5/],
    ['file_last_modified_millis', 2 ** 31, /found 2147483648/],
    ['file_last_modified_millis', true, /found true/],
    ['delete_every_nth_when_disk_full', -5, /found -5/],
    ['delete_every_nth_when_disk_full', 2.5, /whole number .* found 2.5/],
    ['disk_usage_deletion_threshold', 1.1, /from 0 to 1, found 1.1/],
    ['disk_usage_deletion_threshold', 90, /from 0 to 1, found 90/],
    ['disk_usage_deletion_threshold', Number.NaN, /found NaN/],
    ['capture_dir_deletion_threshold', '0.5', /found "0.5" \(no quotes\)/],
    ['capture_dir_deletion_threshold', -0.1, /found -0.1/],
    ['sync_disabled', 'true', /true or false, found "true" \(no quotes\)/],
    ['sync_disabled', 1, /true or false, found 1/],
    ['tags', 'x', /a list .* found "x"/],
    ['tags', Array.from({ length: 101 }, (_, i) => `t${i}`), /up to 100.* found a list of 101/],
    ['tags', { a: 1 }, /found an object/],
    ['selective_syncer_name', '\ud800', /a text of 1 to 256 bytes/],
    ['capture_dir', 3, /absolute path, .* found 3/],
    ['capture_dir', 'data', /found "data", a relative path/],
    ['capture_dir', '~robot/x', /found "~robot\/x", the home directory of another account/],
    ['capture_dir', '/a\0b', /found "\/a\\x00b", a text that no path can be/],
    ['capture_dir', '/\ud800', /a text that no path can be/],
    ['capture_dir', `/${'x/'.repeat(3000)}`, /a path of over 4,096 bytes/],
    ['additional_sync_paths', '/logs', /a list of up to 1,000.* found "\/logs"/],
    ['selective_syncer_name', ['x'], /found a list of 1/],
    ['longshore', [], /an object, found a list of 0/],
  ] as const) {
    it(`refuse ${key}: ${JSON.stringify(value).slice(0, 40)}`, () => {
      const lines = refused(withAttributes({ [key]: value }))
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.ok(lines[0]!.startsWith(`${at(key)}: expected `), lines[0])
      assert.match(lines[0]!, found)
    })
  }

  it('name the place of a wrong item in a list', () => {
    const lines = refused(
      withAttributes({
        tags: ['a', '', 'x'.repeat(257), 'a\nb'],
        additional_sync_paths: ['', '/'],
      }),
    )
    assert.deepEqual(
      lines.map((line) => line.split(':')[0]),
      [
        at('additional_sync_paths[0]'),
        at('tags[1]'),
        at('tags[2]'),
        at('tags[3]'),
        at('additional_sync_paths[1]'),
      ],
    )
  })

  it('carry paths as the bytes of UTF-8, without dots and superfluous slashes', () => {
    const { captureDir, additionalSyncPaths } = read({
      capture_dir: '//data/./x/../größe//',
      additional_sync_paths: ['~/a/', '/b/../../c', '/c'],
    })
    assert.equal(captureDir, Buffer.from('/data/größe').toString('latin1'))
    assert.deepEqual(additionalSyncPaths, ['/home/pi/a', '/c', '/c'])
  })

  it('switch the disk-full rule on with its defaults when one of its three is set', () => {
    const rule = { deleteEveryNth: 5, diskUsageThreshold: 0.9, captureDirThreshold: 0.5 }
    const nth = read({ delete_every_nth_when_disk_full: 3 }).diskFull
    assert.deepEqual(nth, { ...rule, deleteEveryNth: 3 })
    const used = read({ disk_usage_deletion_threshold: 0.8 }).diskFull
    assert.deepEqual(used, { ...rule, diskUsageThreshold: 0.8 })
    const captured = read({ capture_dir_deletion_threshold: 1 }).diskFull
    assert.deepEqual(captured, { ...rule, captureDirThreshold: 1 })
  })

  it('leave the disk-full rule off where the three are zero, null or missing', () => {
    for (const nothing of [0, null, undefined]) {
      const { diskFull } = read({
        delete_every_nth_when_disk_full: nothing,
        disk_usage_deletion_threshold: nothing,
        capture_dir_deletion_threshold: nothing,
      })
      assert.equal(diskFull, undefined)
    }
  })

  it('give the disk-full rule what they say, without a note', () => {
    const rule = {
      delete_every_nth_when_disk_full: 1,
      disk_usage_deletion_threshold: 0.01,
      capture_dir_deletion_threshold: 1,
    }
    const { config, notes } = accepted(withAttributes(rule))
    assert.deepEqual(config.dataManager.diskFull, {
      deleteEveryNth: 1,
      diskUsageThreshold: 0.01,
      captureDirThreshold: 1,
    })
    assert.deepEqual(notes, [])
  })

  it('say that nothing is synced while a trigger is named', () => {
    const note = noteFor({ selective_syncer_name: 'wifi' }, 'selective_syncer_name')
    assert.match(note ?? '', /nothing is synced while it is set/)
  })

  it('are noted when only viam-server acts on them, whatever their value', () => {
    for (const [key, value] of [
      ['capture_disabled', true],
      ['capture_control_sensor', { name: 's', key: 'k' }],
      ['maximum_capture_file_size_bytes', -1],
      ['mongo_capture_config', { uri: 'mongodb://user:hush@h' }],
      ['delete_data_on_part_deletion', 'x'],
    ] as const) {
      assert.match(noteFor({ [key]: value }, key) ?? '', /viam-server .* not by Longshore$/)
    }
  })

  it('are refused when they look like typos of known ones', () => {
    for (const [typo, known] of [
      ['sync_interval_min', 'sync_interval_mins'],
      ['sync_interval_minutes', 'sync_interval_mins'],
      ['syncIntervalMins', 'sync_interval_mins'],
      ['sycn_disabled', 'sync_disabled'],
      ['capture_dirs', 'capture_dir'],
      ['additional_sync_path', 'additional_sync_paths'],
      ['tag', 'tags'],
      ['tgas', 'tags'],
      ['capture_disable', 'capture_disabled'],
      ['long_shore', 'longshore'],
    ] as const) {
      refusedFor(withAttributes({ [typo]: 1 }), new RegExp(`${typo}: .*did you mean "${known}"\\?`))
    }
  })

  it('are noted and ignored when they are unknown and like nothing known', () => {
    const message = 'not an attribute that Longshore knows: ignored'
    for (const key of ['brand_new', '__proto__', 'constructor', 'toString']) {
      const attributes = JSON.parse(`{"${key}": {"tags": 3}}`)
      assert.equal(noteFor(attributes, key), message)
    }
  })

  it('cannot forge lines in the output with their names', () => {
    const { notes } = accepted(withAttributes({ 'x\n\u001b[2J\u202e': 1 }))
    assert.equal(notes[0]?.keyPath, String.raw`services[0].attributes["x\x0a\x1b[2J\xe2\x80\xae"]`)
  })

  it('say where an attribute of another block belongs', () => {
    refusedFor(withAttributes({ uploads_in_flight: 2 }), /belongs in attributes\.longshore/)
    refusedFor(withAttributes({ secret: 'hush' }), /secret: .*it belongs in cloud\)$/)
    refusedFor(withAttributes({ longshore: { tags: [] } }), /belongs in the data manager's attri/)
  })
})

describe("Longshore's own attributes", () => {
  const own = (longshore: unknown) => withAttributes({ longshore })

  it('are strict: an unknown one is refused', () => {
    refusedFor(own({ brand_new: 1 }), /longshore\.brand_new: .*\(known are uploads_in_flight, /)
    refusedFor(own({ upload_in_flight: 1 }), /did you mean "uploads_in_flight"/)
    refusedFor(own({ uploads_in_flight: null }), /found null/)
  })

  it('are refused when they ask for what this version does not support', () => {
    for (const [key, value] of [
      ['delete_after_sync', false],
      ['keep_hours', 0.5],
      ['bandwidth_limit_kbit', 500],
      ['bandwidth_limit_kbit', [{}]],
      ['sync_order', 'newest'],
      ['exclude', []],
      ['compression', 'zstd'],
    ] as const) {
      const line = new RegExp(`longshore\\.${key}: .*not supported by this version$`)
      refusedFor(own({ [key]: value }), line)
    }
  })

  it('are accepted without a note when they ask for what this version does anyway', () => {
    const longshore = {
      delete_after_sync: true,
      keep_hours: 0,
      sync_order: 'walk',
      compression: 'off',
    }
    assert.deepEqual(accepted(own(longshore)).notes, [])
  })

  it('are checked for their type even where this version does not support them', () => {
    const lines = refused(
      own({
        delete_after_sync: 'no',
        keep_hours: -1,
        bandwidth_limit_kbit: 0,
        sync_order: 1,
        exclude: '*.tmp',
        compression: false,
      }),
    )
    assert.equal(lines.length, 6)
    for (const line of lines) assert.doesNotMatch(line, /not supported/)
  })

  it('limit uploads in flight to 1 to 64, or auto', () => {
    const uploads = (value: unknown) =>
      accepted(own({ uploads_in_flight: value })).config.dataManager.uploadsInFlight
    assert.equal(uploads(1), 1)
    assert.equal(uploads('auto'), 'auto')
    for (const value of [0, 65, 1.5, 'Auto', '8']) {
      refusedFor(own({ uploads_in_flight: value }), /whole number from 1 to 64 or "auto", found/)
    }
  })
})
