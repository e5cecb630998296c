import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import { syncFolder } from './durable-file.ts'

/**
 * Makes a folder and its parents, durably. Not with `recursive`: that spins for ever where a parent
 * is there but the system says ENOENT, as `/proc` and automounts do.
 */
export async function makeFolder(folder: string, isParentMade = false): Promise<void> {
  const parent = dirname(folder)
  try {
    await mkdir(folder, 0o700)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return
    if (errnoOf(error) !== 'ENOENT' || isParentMade) throw error
    await makeFolder(parent)
    return makeFolder(folder, true)
  }
  await syncFolder(parent)
}
