import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
} from 'node:fs'
import {
  type BytePath,
  fsPath,
  isAtOrBelow,
  joinPath,
  nameOf,
  parentOf,
} from '../base/byte-path.ts'
import { errnoOf } from '../base/errors.ts'
import { realPathOfExisting } from '../base/real-path.ts'
import type { Candidate } from '../scan/candidate.ts'

const folderName = 'failed'
const maxNameBytes = 255
const maxSuffix = 1000

export type Quarantine =
  | { readonly result: 'moved'; readonly to: BytePath }
  /** It is not the file any more that was found wanting. It stays. */
  | { readonly result: 'changed' }
  /** The errno of what was in the way. It stays. */
  | { readonly result: 'failed'; readonly errno: string }

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

/** Moves a file to its quarantine folder, never over another one. */
export function quarantine(file: Candidate, captureDir: BytePath): Quarantine {
  const folder = quarantineFolder(file.path, captureDir)
  const moved = moveTo(folder, file)
  const beside = joinPath(parentOf(file.path), folderName)
  // A folder below capture_dir may be a mount, and a root, of its own.
  const isAcrossMounts = moved.result === 'failed' && moved.errno === 'EXDEV'
  return isAcrossMounts && folder !== beside ? moveTo(beside, file) : moved
}

function moveTo(folder: BytePath, file: Candidate): Quarantine {
  try {
    mkdirSync(fsPath(folder), { recursive: true, mode: 0o700 })
    if (realPathOfExisting(folder) !== folder) return { result: 'failed', errno: 'ELOOP' }
    for (let suffix = 0; suffix < maxSuffix; suffix += 1) {
      const target = joinPath(folder, withSuffix(nameOf(file.path), suffix))
      if (reserve(target)) return moveOver(target, file)
    }
    return { result: 'failed', errno: 'EEXIST' }
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    return { result: 'failed', errno }
  }
}

function withSuffix(name: string, suffix: number): string {
  if (suffix === 0) return name
  const ending = `~${suffix}`
  return name.slice(0, maxNameBytes - ending.length) + ending
}

/**
 * Takes a name by an empty file, which the move then replaces: a rename alone would replace whatever
 * has the name. False when it is taken. (A hard link would not replace it either, but a crash before
 * the old name goes leaves a file with two names, which no scan touches. This leaves an empty file.)
 */
function reserve(target: BytePath): boolean {
  try {
    closeSync(openSync(fsPath(target), reserveFlags, 0o600))
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

const reserveFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

function moveOver(reserved: BytePath, file: Candidate): Quarantine {
  try {
    if (isStill(file)) {
      renameSync(fsPath(file.path), fsPath(reserved))
      return { result: 'moved', to: reserved }
    }
  } catch (error) {
    unlinkSync(fsPath(reserved))
    throw error
  }
  unlinkSync(fsPath(reserved))
  return { result: 'changed' }
}

function isStill({ path, device, inode, sizeBytes, mtimeNs }: Candidate): boolean {
  const stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false })
  return (
    stats?.isFile() === true &&
    stats.dev === device &&
    stats.ino === inode &&
    Number(stats.size) === sizeBytes &&
    stats.mtimeNs === mtimeNs
  )
}
