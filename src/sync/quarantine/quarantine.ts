import { lstatSync, mkdirSync, renameSync } from 'node:fs'
import { type BytePath, fsPath, joinPath, nameOf, parentOf } from '../../base/byte-path.ts'
import { errnoOf } from '../../base/errors.ts'
import { realPath, realPathOfExisting } from '../../base/real-path.ts'
import type { Candidate } from '../../scan/candidate.ts'
import { exists } from '../../scan/exists.ts'
import {
  failedFolderName,
  maxSuffix,
  nameWithSuffix,
  quarantineFolder,
  sidecarOf,
} from './place.ts'
import { giveBack, reserve } from './reserve.ts'
import { type SetAsideReason, sidecarText } from './sidecar.ts'
import { writeSidecar } from './write-sidecar.ts'

export type Quarantine =
  | {
      readonly result: 'moved'
      readonly to: BytePath
      /** The errno of what kept its sidecar from being written, if anything did. */
      readonly sidecarErrno: string | undefined
    }
  /** It is not the file any more that was found wanting. It stays. */
  | { readonly result: 'changed' }
  /** The errno of what was in the way. It stays. */
  | { readonly result: 'failed'; readonly errno: string }

/**
 * Moves a file to its quarantine folder, never over another one, and says beside it why.
 *
 * The file goes first, then the sidecar is written: a crash in between costs the sidecar only, which
 * informs and may be lost. The other order would leave a sidecar of nothing, and a full disk, which
 * stands in the way of writing but not of renaming, would stand in the way of the move.
 */
export function quarantine(
  file: Candidate,
  captureDir: BytePath,
  reason: SetAsideReason,
): Quarantine {
  const folder = quarantineFolder(file.path, captureDir)
  const moved = moveTo(folder, file, reason)
  const beside = joinPath(parentOf(file.path), failedFolderName)
  // A folder below capture_dir may be a mount, and a root, of its own.
  const isAcrossMounts = moved.result === 'failed' && moved.errno === 'EXDEV'
  return isAcrossMounts && folder !== beside ? moveTo(beside, file, reason) : moved
}

function moveTo(folder: BytePath, file: Candidate, reason: SetAsideReason): Quarantine {
  try {
    // Before as well as after: else folders would be made behind a link.
    if (realPath(folder) !== folder) return { result: 'failed', errno: 'ELOOP' }
    mkdirSync(fsPath(folder), { recursive: true, mode: 0o700 })
    if (realPathOfExisting(folder) !== folder) return { result: 'failed', errno: 'ELOOP' }
    for (let suffix = 0; suffix < maxSuffix; suffix += 1) {
      const target = joinPath(folder, nameWithSuffix(nameOf(file.path), suffix))
      // Its sidecar's name must be free as well: what has it may be a file that was set aside.
      if (exists(sidecarOf(target))) continue
      const reservedInode = reserve(target)
      if (reservedInode !== undefined) return moveOver(target, reservedInode, file, reason)
    }
    return { result: 'failed', errno: 'EEXIST' }
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    return { result: 'failed', errno }
  }
}

/**
 * A hard link would not replace what has the name either, but a crash before the old name goes leaves a
 * file with two names, which no scan touches. This leaves an empty file, and nobody else puts files here.
 */
function moveOver(
  to: BytePath,
  reservedInode: bigint,
  file: Candidate,
  reason: SetAsideReason,
): Quarantine {
  const text = sidecarText({ from: file.path, to }, file.sizeBytes, reason)
  try {
    if (!isStill(file)) {
      giveBack(to, reservedInode)
      return { result: 'changed' }
    }
    renameSync(fsPath(file.path), fsPath(to))
  } catch (error) {
    giveBack(to, reservedInode)
    throw error
  }
  return { result: 'moved', to, sidecarErrno: writeSidecar(sidecarOf(to), text) }
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
