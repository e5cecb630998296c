import { lstatSync } from 'node:fs'
import { type BytePath, bytePath, fsPath } from '../../src/base/byte-path.ts'
import { type FileIdentity, identityOf } from '../../src/base/file-identity.ts'
import type { Candidate, FileKind } from '../../src/scan/candidate.ts'

let nextInode = 1n

/** A candidate of which no file exists. */
export function imaginary(path: string, more: Partial<Candidate> = {}): Candidate {
  nextInode += 1n
  return {
    path: bytePath(path),
    root: bytePath('/data'),
    kind: 'arbitrary',
    sizeBytes: 100,
    mtimeNs: 1_000_000n,
    device: 1n,
    inode: nextInode,
    ...more,
  }
}

/** Many of them, of this size. */
export function imaginaries(count: number, sizeBytes: number, prefix = '/data/f'): Candidate[] {
  return Array.from({ length: count }, (_, n) => imaginary(`${prefix}${n}`, { sizeBytes }))
}

/** A file as a scan would give it now. */
export function candidateAt(path: BytePath, kind: FileKind = 'arbitrary'): Candidate {
  const stats = lstatSync(fsPath(path), { bigint: true })
  return {
    path,
    root: bytePath('/'),
    kind,
    sizeBytes: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    device: stats.dev,
    inode: stats.ino,
  }
}

/** What a worker that has read the file now knows of it. */
export function identityAt(path: BytePath): FileIdentity {
  return identityOf(lstatSync(fsPath(path), { bigint: true }))
}
