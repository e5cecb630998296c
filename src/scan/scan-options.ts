import type { BytePath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import type { NotReadyReason, Root } from './candidate.ts'
import type { Writers } from './writers-rule.ts'

export interface ScannerOptions {
  readonly clock: Clock
  readonly quietMs: number
  readonly isExcluded: (name: string) => boolean
  /** Paths that need not be looked at: on their way, or held until later. */
  readonly isTaken: (path: BytePath) => boolean
  readonly lookUpWriters: () => Promise<Writers>
  /**
   * Told of every path that is not a candidate, at every scan that looks into its folder: one in which
   * nothing can become ready yet is passed over.
   */
  readonly onNotReady: (path: BytePath, reason: NotReadyReason, sizeBytes: number) => void
  /** Rest between slices that find nothing, so that an idle scan takes at most 5% of a core. */
  readonly restWhenIdle: boolean
  /** Looked at after every slice: ends the scan. */
  readonly isStopped: () => boolean
  /** Folders in which another mount begins; by default as the kernel lists them. */
  readonly mountPoints?: () => ReadonlySet<BytePath>
}

/** What one scan is to look at. */
export interface ScanScope {
  readonly roots: readonly Root[]
  /** Without symbolic links. Capture files are recognised below this folder only. */
  readonly captureDir: BytePath
  /** Not entered where they lie below a root: roots of their own that must not be worked on now. */
  readonly closed?: readonly BytePath[]
}
