import { closeSync, fstatSync, openSync } from 'node:fs'
import { type BytePath, fsPath } from '../base/byte-path.ts'
import { type FileIdentity, identityOf } from '../base/file-identity.ts'
import { readCaptureHeader } from '../capture/capture-header.ts'
import { readFlags } from '../scan/removable.ts'

/** A capture file as it is now. */
export interface FinishedCapture {
  readonly identity: FileIdentity
  /** On the wall clock. */
  readonly mtimeMs: number
  /** On the wall clock. No program can set it as it likes. */
  readonly ctimeMs: number
  /** What is to be expected from its removal, at most. */
  readonly occupiedBytes: number
}

const blockBytes = 512n

/**
 * Looks at the file itself, through one open descriptor: undefined unless it is a regular file whose
 * header parses. Throws the system's error.
 */
export function finishedCaptureAt(path: BytePath): FinishedCapture | undefined {
  const fd = openSync(fsPath(path), readFlags)
  try {
    const stats = fstatSync(fd, { bigint: true })
    if (!stats.isFile() || readCaptureHeader(fd) === undefined) return undefined
    const allocatedBytes = Number(stats.blocks * blockBytes)
    return {
      identity: identityOf(stats),
      mtimeMs: Number(stats.mtimeMs),
      ctimeMs: Number(stats.ctimeMs),
      occupiedBytes: Math.max(allocatedBytes, Number(stats.size)),
    }
  } finally {
    closeSync(fd)
  }
}
