import { linkSync, lstatSync, mkdirSync, renameSync, unlinkSync } from 'node:fs'
import {
  type BytePath,
  fsPath,
  isAtOrBelow,
  joinPath,
  nameOf,
  parentOf,
} from '../base/byte-path.ts'
import { errnoOf } from '../base/errors.ts'

const folderName = 'failed'
const maxNameBytes = 255
const maxSuffix = 1000

/**
 * Where a file is set aside (Viam: sync.go, moveFailedData): a capture file below
 * `<capture_dir>/failed` in the folders it had, any other in a `failed` beside it.
 */
export function quarantineFolder(path: BytePath, captureDir: BytePath): BytePath {
  const folder = parentOf(path)
  if (!path.endsWith('.capture') || !isAtOrBelow(folder, captureDir)) {
    return joinPath(folder, folderName)
  }
  return `${captureDir}/${folderName}${folder.slice(captureDir.length)}` as BytePath
}

/**
 * Moves a file to its quarantine folder, never over another one. Returns where it is now, or the
 * errno of what was in the way: then it has not been moved.
 */
export function quarantine(
  path: BytePath,
  captureDir: BytePath,
): { readonly movedTo: BytePath } | { readonly errno: string } {
  const folder = quarantineFolder(path, captureDir)
  try {
    mkdirSync(fsPath(folder), { recursive: true, mode: 0o700 })
    for (let suffix = 0; suffix < maxSuffix; suffix += 1) {
      const target = joinPath(folder, withSuffix(nameOf(path), suffix))
      if (moveToNew(path, target)) return { movedTo: target }
    }
    return { errno: 'EEXIST' }
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    return { errno }
  }
}

function withSuffix(name: string, suffix: number): string {
  if (suffix === 0) return name
  const ending = `~${suffix}`
  return name.slice(0, maxNameBytes - ending.length) + ending
}

/** False when the target is taken. A link fails where a rename would replace. */
function moveToNew(path: BytePath, target: BytePath): boolean {
  try {
    linkSync(fsPath(path), fsPath(target))
  } catch (error) {
    switch (errnoOf(error)) {
      case 'EEXIST':
        return false
      case 'EPERM':
      case 'EOPNOTSUPP':
      case 'ENOSYS':
        // No hard links here (vfat, some network mounts). Only we write into this folder.
        if (lstatSync(fsPath(target), { throwIfNoEntry: false }) !== undefined) return false
        renameSync(fsPath(path), fsPath(target))
        return true
      default:
        throw error
    }
  }
  unlinkSync(fsPath(path))
  return true
}
