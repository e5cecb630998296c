import { lstatSync } from 'node:fs'
import { type BytePath, fsPath } from '../base/byte-path.ts'
import { errnoOf } from '../base/errors.ts'

/** Whether there is anything at all at this path. Throws the system's error when that cannot be told. */
export function exists(path: BytePath): boolean {
  try {
    return lstatSync(fsPath(path), { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    // A name made by appending to another may be longer than a name can be.
    if (errnoOf(error) === 'ENAMETOOLONG') return false
    throw error
  }
}
