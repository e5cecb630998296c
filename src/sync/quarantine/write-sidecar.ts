import { closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs'
import { type BytePath, fsPath } from '../../base/byte-path.ts'
import { errnoOf } from '../../base/errors.ts'

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/**
 * Writes a sidecar, never over anything. In one call, so that a crash leaves all of it or an empty file,
 * which nothing takes for a file of the user's. Returns the errno of what was in the way, if anything.
 */
export function writeSidecar(path: BytePath, text: string): string | undefined {
  const name = fsPath(path)
  const bytes = Buffer.from(text, 'utf8')
  try {
    const fd = openSync(name, flags, 0o600)
    try {
      if (writeSync(fd, bytes) === bytes.length) return undefined
    } catch (error) {
      unlinkSync(name)
      throw error
    } finally {
      closeSync(fd)
    }
    // The disk is full: half a sidecar would look like a file of somebody else's.
    unlinkSync(name)
    return 'ENOSPC'
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    return errno
  }
}
