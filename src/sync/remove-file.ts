import { lstatSync, unlinkSync } from 'node:fs'
import { type BytePath, fsPath } from '../base/byte-path.ts'
import { errnoOf } from '../base/errors.ts'
import { type FileIdentity, isSameFile } from '../base/file-identity.ts'

export type Removal =
  | { readonly result: 'removed' }
  /** It is not, or not only, what was uploaded: it stays. */
  | { readonly result: 'kept'; readonly why: 'changed' | 'being_written' | 'gone' }
  | { readonly result: 'failed'; readonly errno: string }

/**
 * Invariant 1, second half: removes a file only while its name leads to the very file that was read,
 * unchanged, under no other name, and with nobody writing to it. Looks and removes without giving the
 * event loop a turn in between; the window that is left is between two system calls.
 *
 * @param mayBeWritten - Whether anybody may have the identified file open for writing, by a look that
 *   is as fresh as can be had.
 */
export function removeIfUnchanged(
  path: BytePath,
  identity: FileIdentity,
  mayBeWritten: boolean,
): Removal {
  const name = fsPath(path)
  try {
    const stats = lstatSync(name, { bigint: true, throwIfNoEntry: false })
    if (stats === undefined) return { result: 'kept', why: 'gone' }
    if (!isSameFile(stats, identity)) return { result: 'kept', why: 'changed' }
    if (mayBeWritten) return { result: 'kept', why: 'being_written' }
    unlinkSync(name)
    return { result: 'removed' }
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    return errno === 'ENOENT' ? { result: 'kept', why: 'gone' } : { result: 'failed', errno }
  }
}
