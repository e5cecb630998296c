import type { BytePath } from '../base/byte-path.ts'

/** What the device's side runs on: the config file, checked, with every default filled in. */
export interface Config {
  readonly cloud: CloudConfig
  readonly dataManager: DataManagerConfig
}

/** Where the files go, and as whom. */
export interface CloudConfig {
  /** Scheme, host and port only; `https:` unless {@link allowCleartext} or loopback. */
  readonly address: URL
  readonly id: string
  /** Never to be printed or logged. */
  readonly secret: string
  /** One or more certificates to trust instead of the system's, or undefined for the system's. */
  readonly caPem: string | undefined
  readonly allowCleartext: boolean
}

/** What is synced, and how. Paths are absolute, without `.`, `..` or a slash at the end. */
export interface DataManagerConfig {
  readonly captureDir: BytePath
  readonly additionalSyncPaths: readonly BytePath[]
  readonly syncIntervalMs: number
  readonly syncDisabled: boolean
  readonly maximumNumSyncThreads: number
  /** `file_last_modified_millis`: how long an arbitrary file must be quiet. */
  readonly quietMs: number
  /** Set means that the gate is shut until that sensor opens it. */
  readonly selectiveSyncerName: string | undefined
  /** Without duplicates, in the order of the file. */
  readonly tags: readonly string[]
  readonly uploadsInFlight: number | 'auto'
  /** Folders that may be roots although {@link unsafeRootReason} has an objection. */
  readonly allowUnsafeRoots: readonly BytePath[]
  /** Whether folders below {@link captureDir} go when Longshore has emptied them. */
  readonly removeEmptyFolders: boolean
  /** Undefined unless one of the three attributes is set. */
  readonly diskFull: DiskFullConfig | undefined
}

/** When the disk is nearly full: which capture files go unsent. Thresholds are fractions of 1. */
export interface DiskFullConfig {
  readonly deleteEveryNth: number
  readonly diskUsageThreshold: number
  readonly captureDirThreshold: number
}

/** Something in the config that must be mended. Its texts never hold a secret. */
export interface ConfigProblem {
  /** For example `services[0].attributes.sync_interval_mins`, or a variable of the environment. */
  readonly keyPath: string
  readonly expected: string
  readonly found: string
  readonly hint?: string
}

/** Something in the config that a person should know, although Longshore can work with it. */
export interface ConfigNote {
  readonly keyPath: string
  readonly message: string
}
