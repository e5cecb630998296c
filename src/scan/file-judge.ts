import { type BigIntStats, closeSync, openSync } from 'node:fs'
import { type BytePath, fsPath, isAtOrBelow } from '../base/byte-path.ts'
import { readCaptureHeader } from '../capture/capture-header.ts'
import type { Candidate, FileKind, NotReadyReason } from './candidate.ts'
import { sqliteSiblingSuffixes } from './exclude.ts'
import { exists } from './exists.ts'
import type { FolderCursor } from './folder-cursor.ts'
import { FutureFiles } from './future-files.ts'
import { asArbitrary, type FileFacts, type ReadinessRules, readinessOf } from './readiness.ts'
import { isProtected, isReadable, mayUnlink, readFlags } from './removable.ts'
import type { ScannerOptions } from './scan-options.ts'

/** A file of a folder that is being read. */
export interface FoundFile {
  readonly path: BytePath
  readonly name: string
  readonly stats: BigIntStats
}

export type Judgement =
  | { readonly candidate: Candidate }
  | {
      readonly reason: NotReadyReason
      /** When it may be ready; undefined: not before something in its folder changes. */
      readonly lookAgainAfterMs: number | undefined
    }

/** A file that is being written may be a little younger than our reading of the clock. */
const clockSlackMs = 1000

/** Decides about each file. Looks at the file itself only once all that costs less says that it is ready. */
export class FileJudge {
  readonly #options: Pick<ScannerOptions, 'clock' | 'quietMs' | 'isTaken'>
  readonly #futureFiles = new FutureFiles()
  readonly #ownUid = BigInt(process.geteuid!())

  constructor(options: Pick<ScannerOptions, 'clock' | 'quietMs' | 'isTaken'>) {
    this.#options = options
  }

  /** Throws the system's error when the file cannot be looked at. */
  judge(
    file: FoundFile,
    cursor: FolderCursor,
    rules: ReadinessRules,
    captureDir: BytePath,
  ): Judgement {
    const { path, name, stats } = file
    if (this.#options.isTaken(path)) return { reason: 'already_taken', lookAgainAfterMs: 0 }
    const facts: FileFacts = {
      name,
      sizeBytes: Number(stats.size),
      mtimeMs: Number(stats.mtimeMs),
      links: Number(stats.nlink),
      belowCaptureDir: isAtOrBelow(cursor.path, captureDir),
      seenUnchangedForMs: this.#seenUnchangedForMs(file, rules),
    }
    let readiness = readinessOf(facts, rules)
    if (readiness.verdict === 'capture' && !hasCaptureHeader(path)) {
      readiness = asArbitrary(facts, rules)
    }
    switch (readiness.verdict) {
      case 'skip': {
        const { reason } = readiness
        return { reason, lookAgainAfterMs: reason === 'excluded' ? undefined : rules.quietMs }
      }
      case 'wait':
        return { reason: readiness.reason, lookAgainAfterMs: readiness.waitMs }
      case 'capture':
      case 'arbitrary': {
        const reason = this.#whyNotTakeable(file, cursor, readiness.verdict)
        if (reason !== undefined) return { reason, lookAgainAfterMs: 0 }
        this.#futureFiles.forget(path)
        return { candidate: candidateOf(file, cursor, readiness.verdict) }
      }
      default:
        return readiness satisfies never
    }
  }

  #seenUnchangedForMs(
    { path, stats: { mtimeMs, mtimeNs, size } }: FoundFile,
    { wallMs }: ReadinessRules,
  ): number | undefined {
    if (Number(mtimeMs) <= wallMs + clockSlackMs) return undefined
    const nowMs = this.#options.clock.monotonicMs()
    return this.#futureFiles.unchangedForMs(path, mtimeNs, Number(size), nowMs)
  }

  #whyNotTakeable(
    { path, name, stats }: FoundFile,
    cursor: FolderCursor,
    kind: FileKind,
  ): NotReadyReason | undefined {
    if (kind === 'arbitrary' && hasSqliteSibling(cursor, path, name)) return 'sqlite_in_use'
    const isRemovable = mayUnlink(cursor.rights, stats.uid, this.#ownUid) && !isProtected(path)
    if (!isRemovable) return 'not_removable'
    // The header of a capture file has been read already.
    return kind === 'capture' || isReadable(path) ? undefined : 'unreadable'
  }
}

function candidateOf(
  { path, stats }: FoundFile,
  { root }: FolderCursor,
  kind: FileKind,
): Candidate {
  const { size, mtimeNs, dev, ino } = stats
  return { path, root, kind, sizeBytes: Number(size), mtimeNs, device: dev, inode: ino }
}

function hasCaptureHeader(path: BytePath): boolean {
  const fd = openSync(fsPath(path), readFlags)
  try {
    return readCaptureHeader(fd) !== undefined
  } finally {
    closeSync(fd)
  }
}

function hasSqliteSibling(cursor: FolderCursor, path: BytePath, name: string): boolean {
  if (cursor.sqliteInUse !== undefined) return cursor.sqliteInUse.has(name)
  return sqliteSiblingSuffixes.some((suffix) => exists(`${path}${suffix}` as BytePath))
}
