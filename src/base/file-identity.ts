import type { BigIntStats } from 'node:fs'

/** Which file it was, and in which state. Two equal identities are the same bytes (invariant 1). */
export interface FileIdentity {
  readonly device: bigint
  readonly inode: bigint
  readonly sizeBytes: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

export function identityOf(stats: BigIntStats): FileIdentity {
  return {
    device: stats.dev,
    inode: stats.ino,
    sizeBytes: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
  }
}

/** True for a regular file with one name that is still exactly the identified one. */
export function isSameFile(stats: BigIntStats, identity: FileIdentity): boolean {
  return (
    stats.isFile() &&
    stats.nlink === 1n &&
    stats.dev === identity.device &&
    stats.ino === identity.inode &&
    Number(stats.size) === identity.sizeBytes &&
    stats.mtimeNs === identity.mtimeNs &&
    stats.ctimeNs === identity.ctimeNs
  )
}
