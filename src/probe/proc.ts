import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { errnoOf } from '../base/errors.ts'

/** The ids of all processes that can be seen, in the kernel's order. Throws without a /proc. */
export function pidsIn(procRoot: string): string[] {
  return readdirSync(procRoot).filter((name) => /^[1-9][0-9]*$/.test(name))
}

/** True for the errors of a process or descriptor that ended while it was looked at. */
export function hasVanished(error: unknown): boolean {
  const errno = errnoOf(error)
  return errno === 'ENOENT' || errno === 'ESRCH'
}

const buffer = Buffer.allocUnsafe(16 * 1024)

/**
 * The first bytes of a file in /proc, one char per byte; at most 16 KiB. One read: the kernel makes
 * up the content as it is read. Several times cheaper than `readFileSync`. Throws system errors.
 */
export function readProcFile(path: string, maxBytes: number): string {
  const fd = openSync(path, 'r')
  try {
    const sizeBytes = readSync(fd, buffer, 0, Math.min(maxBytes, buffer.length), 0)
    return buffer.toString('latin1', 0, sizeBytes)
  } finally {
    closeSync(fd)
  }
}
