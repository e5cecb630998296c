import type { Kind } from './kinds.ts'

/** One attribute of the config file. Plain data: see {@link Kind}. */
export interface Attribute {
  readonly kind: Kind
  /** As it would be written in the file; undefined for none. */
  readonly default: unknown
  readonly acts: 'acts now' | 'not yet' | "only in Viam's capture or cloud"
  readonly meaning: string
  /** Counts as not set: a number from 0 up to this one, or the empty text. */
  readonly unset?: number | ''
  /** The values that this version supports, where it supports fewer than the kind allows. */
  readonly only?: readonly unknown[]
  /** What `check` and `run` say when it is set; by default a text that follows from `acts`. */
  readonly note?: string
}

export type AttributeTable = Readonly<Record<string, Attribute>>

const maxInt = 2_147_483_647
const count = { type: 'number', min: 0, max: maxInt, integer: true } as const
const fraction = { type: 'number', min: 0, max: 1, integer: false } as const
const folders = { type: 'list', of: { type: 'folder' }, max: 1000 } as const
const viamOnly = { default: undefined, acts: "only in Viam's capture or cloud" } as const
const anything = { type: 'any' } as const

/**
 * Every attribute of the config file, by the block it stands in. Reading, checking, defaults, notes
 * and the tables of docs/configuration.md follow from it.
 */
export const attributes = {
  cloud: {
    app_address: {
      kind: { type: 'text', maxBytes: 512, hidden: true },
      default: undefined,
      acts: 'acts now',
      meaning: 'the receiver: https://HOST:PORT',
    },
    id: {
      kind: { type: 'text', maxBytes: 64, hidden: true },
      default: undefined,
      acts: 'acts now',
      meaning: 'the machine as the receiver knows it',
    },
    secret: {
      kind: { type: 'text', maxBytes: 1024, hidden: true },
      default: undefined,
      acts: 'acts now',
      meaning: "the machine's secret",
    },
    secret_file: {
      kind: { type: 'file', hidden: true },
      default: undefined,
      acts: 'acts now',
      meaning: 'a file with the secret, instead of secret',
    },
    ca_pem: {
      kind: { type: 'lines', maxBytes: 524_288, hidden: true },
      default: undefined,
      acts: 'acts now',
      meaning: "certificates to trust instead of the system's",
    },
    ca_file: {
      kind: { type: 'file' },
      default: undefined,
      acts: 'acts now',
      meaning: 'a file with them, instead of ca_pem',
    },
    allow_cleartext: {
      kind: { type: 'boolean' },
      default: false,
      acts: 'acts now',
      meaning: 'permits http:// to another computer: secret and files can be read on the way',
    },
  },
  dataManager: {
    capture_dir: {
      kind: { type: 'folder' },
      default: '~/.viam/capture',
      acts: 'acts now',
      unset: '',
      meaning: 'the first root',
    },
    additional_sync_paths: {
      kind: folders,
      default: [],
      acts: 'acts now',
      meaning: 'further roots; what lies in several of them is synced once',
    },
    sync_interval_mins: {
      kind: { type: 'number', min: 0, max: 35_791, integer: false },
      default: 0.1,
      acts: 'acts now',
      unset: 0.0001,
      meaning: 'the shortest pause between two scans, in minutes',
    },
    sync_disabled: {
      kind: { type: 'boolean' },
      default: false,
      acts: 'acts now',
      meaning: 'pause: nothing is synced',
    },
    maximum_num_sync_threads: {
      kind: count,
      default: 1000,
      acts: 'acts now',
      unset: 0,
      meaning: 'at most so many worker threads; cores and memory set a lower limit',
    },
    file_last_modified_millis: {
      kind: count,
      default: 10_000,
      acts: 'acts now',
      unset: 0,
      meaning: 'how long an arbitrary file must be quiet, in milliseconds',
    },
    tags: {
      kind: { type: 'list', of: { type: 'text', maxBytes: 256 }, max: 100 },
      default: [],
      acts: 'acts now',
      meaning: 'put on every upload',
    },
    selective_syncer_name: {
      kind: { type: 'text', maxBytes: 256 },
      default: undefined,
      acts: 'not yet',
      unset: '',
      meaning: 'the sensor that lets files be synced',
      note:
        'not supported by this version, which has no triggers: nothing is synced while it is ' +
        'set, because the sensor it names might say that files must wait',
    },
    delete_every_nth_when_disk_full: {
      kind: count,
      default: undefined,
      acts: 'acts now',
      unset: 0,
      meaning: 'on a full disk every nth capture file goes, unsent; 5 once one of the three is set',
    },
    disk_usage_deletion_threshold: {
      kind: fraction,
      default: undefined,
      acts: 'acts now',
      unset: 0,
      meaning:
        'the fraction of the file system that is used then; 0.9 once one of the three is set',
    },
    capture_dir_deletion_threshold: {
      kind: fraction,
      default: undefined,
      acts: 'acts now',
      unset: 0,
      meaning:
        'the fraction of the file system that capture_dir takes then; 0.5 once one of the three is set',
    },
    capture_disabled: { ...viamOnly, kind: anything, meaning: 'captures nothing' },
    capture_control_sensor: {
      ...viamOnly,
      kind: anything,
      meaning: 'a sensor that says what is captured',
    },
    maximum_capture_file_size_bytes: {
      ...viamOnly,
      kind: anything,
      meaning: 'when capture begins a new file',
    },
    mongo_capture_config: {
      ...viamOnly,
      kind: anything,
      meaning: 'captures into MongoDB as well',
    },
    delete_data_on_part_deletion: {
      ...viamOnly,
      kind: anything,
      meaning: "what Viam's cloud does with the data of a deleted machine",
    },
    longshore: {
      kind: { type: 'object' },
      default: {},
      acts: 'acts now',
      meaning: "Longshore's own attributes",
    },
  },
  longshore: {
    uploads_in_flight: {
      kind: {
        type: 'either',
        of: [
          { type: 'number', min: 1, max: 64, integer: true },
          { type: 'word', words: ['auto'] },
        ],
      },
      default: 'auto',
      acts: 'acts now',
      meaning: 'how many uploads run at a time',
    },
    allow_unsafe_roots: {
      kind: folders,
      default: [],
      acts: 'acts now',
      meaning: 'roots that would be refused as unsafe, each written exactly as in the refusal',
    },
    remove_empty_folders: {
      kind: { type: 'boolean' },
      default: false,
      acts: 'acts now',
      meaning: 'folders below capture_dir are removed when all their files have been',
    },
    delete_after_sync: {
      kind: { type: 'boolean' },
      default: true,
      acts: 'not yet',
      only: [true],
      meaning: 'files are removed once they are stored',
    },
    keep_hours: {
      kind: { type: 'number', min: 0, max: 876_000, integer: false },
      default: 0,
      acts: 'not yet',
      only: [0],
      meaning: 'how long they are kept before that',
    },
    bandwidth_limit_kbit: {
      kind: {
        type: 'either',
        of: [
          { type: 'number', min: 1, max: maxInt, integer: false },
          { type: 'list', of: { type: 'object' }, max: 100 },
        ],
      },
      default: undefined,
      acts: 'not yet',
      only: [],
      meaning: 'a rate, or a timetable of rates',
    },
    sync_order: {
      kind: { type: 'text', maxBytes: 64 },
      default: 'walk',
      acts: 'not yet',
      only: ['walk'],
      meaning: 'which files go first: in the order of the walk',
    },
    exclude: {
      kind: { type: 'list', of: { type: 'text', maxBytes: 4096 }, max: 1000 },
      default: undefined,
      acts: 'not yet',
      only: [],
      meaning: 'names that are not synced, instead of the built-in list',
    },
    compression: {
      kind: { type: 'text', maxBytes: 64 },
      default: 'off',
      acts: 'not yet',
      only: ['off'],
      meaning: 'how files are packed on the way',
    },
  },
} as const satisfies Readonly<Record<string, AttributeTable>>
