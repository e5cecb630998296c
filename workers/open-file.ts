import { type BigIntStats, constants } from 'node:fs'
import { errnoOf } from '../src/base/errors.ts'
import type { FileResult, ShardFile } from '../src/wire/thread-messages.ts'

/**
 * Never through a symbolic link, and never waiting for a pipe that somebody put in a file's place.
 */
export const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** True when this is still the file that the scan judged ready. */
export function isAsScanned(stats: BigIntStats, file: ShardFile): boolean {
  return (
    stats.isFile() &&
    stats.nlink === 1n &&
    stats.dev === file.device &&
    stats.ino === file.inode &&
    stats.mtimeNs === file.mtimeNs &&
    Number(stats.size) === file.sizeBytes
  )
}

/** What a system error while opening or reading says of the file. Anything else is a bug: thrown on. */
export function readFailure(error: unknown): FileResult {
  const errno = errnoOf(error)
  if (errno === undefined) throw error
  if (errno === 'ENOENT' || errno === 'ENOTDIR') return { status: 'gone' }
  // A link or a pipe stands where the file was.
  if (errno === 'ELOOP' || errno === 'ENXIO') return { status: 'changed' }
  return { status: 'unreadable', errno }
}
