import { readlinkSync, realpathSync } from 'node:fs'
import { type BytePath, fsPath, isAtOrBelow, joinPath, nameOf, parentOf } from './byte-path.ts'
import { errnoOf } from './errors.ts'

/**
 * The path with all symbolic links resolved. Of a path that does not exist (yet), or may not be
 * looked at, the part that can be resolved is. `path` must be absolute.
 */
export function realPath(path: BytePath): BytePath {
  try {
    return realPathOfExisting(path)
  } catch {
    const parent = parentOf(path)
    if (parent === path) return path
    const name = nameOf(path)
    return name === '' ? realPath(parent) : joinPath(realPath(parent), name)
  }
}

/** The path with all symbolic links resolved. Throws the system's error, such as `ENOENT`. */
export function realPathOfExisting(path: BytePath): BytePath {
  return realpathSync.native(fsPath(path), 'latin1') as BytePath
}

/** True when a file could lie below both roots. Both must be resolved ({@link realPath}). */
export function overlaps(rootA: BytePath, rootB: BytePath): boolean {
  return isAtOrBelow(rootA, rootB) || isAtOrBelow(rootB, rootA)
}

/** Where a symbolic link points, or undefined when there is none or it may not be read. */
export function readLink(path: BytePath): BytePath | undefined {
  try {
    return readlinkSync(fsPath(path), 'latin1') as BytePath
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}
