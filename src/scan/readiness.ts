import type { SkipReason, WaitReason } from './candidate.ts'
import type { WallClockStep } from './wall-clock-watch.ts'

/** What is known of a regular file when it is judged. */
export interface FileFacts {
  readonly name: string
  readonly sizeBytes: number
  readonly mtimeMs: number
  readonly links: number
  readonly belowCaptureDir: boolean
  /** For how long nothing about the file has changed, on the monotonic clock; undefined if not known. */
  readonly seenUnchangedForMs: number | undefined
}

export interface ReadinessRules {
  readonly quietMs: number
  readonly wallMs: number
  /** Wall time of the last boot. */
  readonly bootMs: number
  /** Set for a while after the wall clock was set forward. */
  readonly step: WallClockStep | undefined
  readonly isExcluded: (name: string) => boolean
}

export type Readiness =
  | { readonly verdict: 'capture' }
  | { readonly verdict: 'arbitrary' }
  /** Cannot be ready before `waitMs` have passed. */
  | { readonly verdict: 'wait'; readonly reason: WaitReason; readonly waitMs: number }
  | { readonly verdict: 'skip'; readonly reason: SkipReason }

/** An unfinished capture file this old has lost its writer, if none can be found. */
const orphanAfterMs = 60 * 60 * 1000

/**
 * Whether a file may be synced now, by what a stat tells (Viam: services/datamanager/builtin/sync,
 * readyToSyncFile). `capture` still needs a header that parses, `arbitrary` and an orphaned `.prog` that
 * nobody has the file open for writing.
 */
export function readinessOf(file: FileFacts, rules: ReadinessRules): Readiness {
  const { name, links, sizeBytes } = file
  if (rules.isExcluded(name)) return { verdict: 'skip', reason: 'excluded' }
  if (links > 1) return { verdict: 'skip', reason: 'several_links' }
  if (sizeBytes === 0) return { verdict: 'skip', reason: 'empty' }
  if (name.endsWith('.progseq')) return inProgress(rules)
  if (name.endsWith('.prog'))
    return isOrphan(file, rules) ? asCapture(file, rules) : inProgress(rules)
  return name.endsWith('.capture') ? asCapture(file, rules) : asArbitrary(file, rules)
}

function asCapture(file: FileFacts, rules: ReadinessRules): Readiness {
  return file.belowCaptureDir ? { verdict: 'capture' } : asArbitrary(file, rules)
}

/** Also for a `.capture` file that turns out to have no header. */
export function asArbitrary(file: FileFacts, rules: ReadinessRules): Readiness {
  const waitMs = rules.quietMs - quietForMs(file, rules)
  if (waitMs <= 0) return { verdict: 'arbitrary' }
  return { verdict: 'wait', reason: 'not_quiet_yet', waitMs: Math.min(waitMs, rules.quietMs) }
}

function inProgress(rules: ReadinessRules): Readiness {
  return { verdict: 'wait', reason: 'in_progress_file', waitMs: rules.quietMs }
}

function isOrphan({ mtimeMs }: FileFacts, { wallMs, bootMs }: ReadinessRules): boolean {
  return mtimeMs < bootMs || (mtimeMs < wallMs && wallMs - mtimeMs > orphanAfterMs)
}

/**
 * A device without a clock battery writes files, then learns the time: an mtime may lie in the future,
 * then what we saw ourselves counts; or seem to be long ago, then the step of the clock is taken off.
 */
function quietForMs(
  { mtimeMs, seenUnchangedForMs }: FileFacts,
  { wallMs, step }: ReadinessRules,
): number {
  if (mtimeMs > wallMs) return seenUnchangedForMs ?? 0
  const ageMs = wallMs - mtimeMs
  return step !== undefined && mtimeMs <= step.beforeMs ? Math.max(0, ageMs - step.byMs) : ageMs
}
