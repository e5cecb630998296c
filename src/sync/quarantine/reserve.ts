import { closeSync, constants, fstatSync, lstatSync, openSync, unlinkSync } from 'node:fs'
import { type BytePath, fsPath } from '../../base/byte-path.ts'
import { errnoOf } from '../../base/errors.ts'

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

/**
 * Takes a name by an empty file, which a move then replaces: a rename alone would replace whatever has
 * the name. Undefined when it is taken; otherwise the inode, which tells whether it still is that file.
 */
export function reserve(target: BytePath): bigint | undefined {
  let fd: number
  try {
    fd = openSync(fsPath(target), flags, 0o600)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return undefined
    throw error
  }
  try {
    return fstatSync(fd, { bigint: true }).ino
  } finally {
    closeSync(fd)
  }
}

/** True while the name still leads to the empty file that took it. */
export function isStillReserved(target: BytePath, inode: bigint): boolean {
  const stats = lstatSync(fsPath(target), { bigint: true, throwIfNoEntry: false })
  return stats?.isFile() === true && stats.ino === inode && stats.size === 0n
}

/**
 * Lets a name go again. Looks first: a network mount may report that a move failed which was done, and
 * then the name is the file's.
 */
export function giveBack(target: BytePath, inode: bigint): void {
  if (isStillReserved(target, inode)) unlinkSync(fsPath(target))
}
