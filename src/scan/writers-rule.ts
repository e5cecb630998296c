import type { OpenWriters } from '../probe/open-writers.ts'
import type { Candidate } from './candidate.ts'

type Judged = Pick<Candidate, 'path' | 'kind' | 'device' | 'inode'>

/** An orphan's name says that somebody was writing it. */
export function isUnfinishedCapture({ path }: Pick<Candidate, 'path'>): boolean {
  return path.endsWith('.prog')
}

/** Capture files get their name when they are complete; only an orphan may still have its writer. */
export function needsWriterCheck(file: Judged): boolean {
  return file.kind === 'arbitrary' || isUnfinishedCapture(file)
}

/** Who may be writing, as far as it can be told. */
export interface Writers {
  readonly open: OpenWriters
  /** A viam-server runs here, whether or not we may see which files it has open. */
  readonly captureRuns: boolean
}

/**
 * Whether a process may still write to the file. Of an orphaned `.prog` it has to be certain that none
 * does: the capture of a slow sensor keeps its file open for hours without a byte, so where some
 * process does not let us look and a viam-server runs, that may be its writer.
 */
export function mayBeWritten(file: Judged, { open, captureRuns }: Writers): boolean {
  if (!needsWriterCheck(file)) return false
  if (open.has(file.device, file.inode)) return true
  return isUnfinishedCapture(file) && captureRuns && open.blindTo > 0
}
