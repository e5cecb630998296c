import { lstatSync, mkdirSync } from 'node:fs'
import { type BytePath, fsPath, joinPath, segmentsBelow } from '../../base/byte-path.ts'
import { errnoOf } from '../../base/errors.ts'

/**
 * Makes the folders from below `root`, which exists, down to `folder`, as `mkdir -p` does, but never
 * through a symbolic link. Returns the errno of what is in the way, if anything is.
 */
export function makeFolders(root: BytePath, folder: BytePath): string | undefined {
  let path = root
  try {
    for (const name of segmentsBelow(folder, root)) {
      path = joinPath(path, name)
      const stats = lstatSync(fsPath(path), { throwIfNoEntry: false })
      if (stats === undefined) makeFolder(path)
      else if (stats.isSymbolicLink()) return 'ELOOP'
      else if (!stats.isDirectory()) return 'ENOTDIR'
    }
    return undefined
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    return errno
  }
}

function makeFolder(path: BytePath): void {
  try {
    mkdirSync(fsPath(path))
  } catch (error) {
    // Its owner was a step ahead.
    const isThere = errnoOf(error) === 'EEXIST' && lstatSync(fsPath(path)).isDirectory()
    if (!isThere) throw error
  }
}
