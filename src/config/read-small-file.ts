import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { type BytePath, fsPath } from '../base/byte-path.ts'
import { errnoOf, messageOf } from '../base/errors.ts'

/** The whole of a small file, or why it could not be read: a text, and the `errno` if any. */
type SmallFile =
  | { readonly bytes: Uint8Array; readonly readableByOthers: boolean }
  | { readonly failure: string; readonly errno: string | undefined }

const maxSmallFileBytes = 1_048_576

/**
 * Reads a file of at most 1 MiB. Never waits for a writer of a FIFO, for a device or for an end that
 * does not come; follows symbolic links.
 */
export function readSmallFile(path: BytePath): SmallFile {
  let fd: number | undefined
  try {
    fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    const stats = fstatSync(fd)
    if (!stats.isFile()) return { failure: `${typeOf(stats)}, not a file`, errno: undefined }
    const chunks: Buffer[] = []
    for (let sizeBytes = 0; sizeBytes <= maxSmallFileBytes; ) {
      const chunk = Buffer.allocUnsafe(65_536)
      const read = readSync(fd, chunk, 0, chunk.length, null)
      const readableByOthers = (stats.mode & 0o044) !== 0
      if (read === 0) return { bytes: Buffer.concat(chunks), readableByOthers }
      chunks.push(chunk.subarray(0, read))
      sizeBytes += read
    }
    return { failure: 'a file of over 1 MiB', errno: undefined }
  } catch (error) {
    const errno = errnoOf(error)
    return { failure: failures[errno ?? ''] ?? messageOf(error), errno }
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** The text of UTF-8 bytes, a byte order mark included, or undefined when they are not UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const failures: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'a file that this account may not read',
  EPERM: 'a file that this account may not read',
  ELOOP: 'a symbolic link that leads nowhere',
  ENXIO: 'a socket, not a file',
}

function typeOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a pipe'
  return 'a device'
}
