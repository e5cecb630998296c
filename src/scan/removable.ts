import { accessSync, type BigIntStats, closeSync, constants, openSync } from 'node:fs'
import { type BytePath, fsPath } from '../base/byte-path.ts'
import { errnoOf } from '../base/errors.ts'

const stickyBit = 0o1000n

/** What decides whether this user may take an entry out of a folder. */
export interface FolderRights {
  readonly writable: boolean
  readonly sticky: boolean
  readonly ownerUid: bigint
}

export function folderRights(folder: BytePath, stats: BigIntStats): FolderRights {
  return {
    writable: mayAccess(folder, constants.W_OK | constants.X_OK) === undefined,
    sticky: (stats.mode & stickyBit) !== 0n,
    ownerUid: stats.uid,
  }
}

/** unlink(2): a sticky folder gives a file up to its owner, the folder's owner and root only. */
export function mayUnlink(rights: FolderRights, fileUid: bigint, ownUid: bigint): boolean {
  if (!rights.writable) return false
  return !rights.sticky || ownUid === 0n || fileUid === ownUid || rights.ownerUid === ownUid
}

/**
 * True for a file that its flags or its file system protect from everybody: the kernel answers a wish
 * to write to an immutable file with EPERM, where mode bits make it EACCES (fs/namei.c,
 * inode_permission).
 */
export function isProtected(file: BytePath): boolean {
  const errno = mayAccess(file, constants.W_OK)
  return errno === 'EPERM' || errno === 'EROFS'
}

/**
 * Whether this user may read the file. Tried rather than asked for, since `access` does not count
 * capabilities. Throws the system's error when it is not a matter of rights.
 */
export function isReadable(file: BytePath): boolean {
  try {
    closeSync(openSync(fsPath(file), readFlags))
    return true
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EACCES' || errno === 'EPERM') return false
    throw error
  }
}

/** Never through a symbolic link, never waiting for a pipe that took the file's place. */
export const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

function mayAccess(path: BytePath, mode: number): string | undefined {
  try {
    accessSync(fsPath(path), mode)
    return undefined
  } catch (error) {
    return errnoOf(error) ?? 'EACCES'
  }
}
