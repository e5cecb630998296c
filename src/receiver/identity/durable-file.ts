import { randomBytes } from 'node:crypto'
import { link, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'

/** How the names of files that are still being written end; a leftover one may be removed. */
export const temporarySuffix = '.tmp'

/**
 * Creates a small file so that of several processes doing the same exactly one wins: true for the
 * winner, false where the file is there already. Nobody ever sees it half written, and when this
 * returns it survives a power cut. Needs a file system with hard links.
 */
export async function createFileOnce(path: string, text: string, mode: number): Promise<boolean> {
  const temporary = await writeTemporary(path, text, mode)
  try {
    // link, not rename: rename would silently replace what another process has just created.
    await link(temporary, path)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  } finally {
    await unlink(temporary)
  }
  await syncFolder(dirname(path))
  return true
}

/** Puts a small file in the place of another in one step, and on stable storage before it returns. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const temporary = await writeTemporary(path, text, mode)
  try {
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary)
    throw error
  }
  await syncFolder(dirname(path))
}

/** Makes the names in a folder durable: a new file's `fsync` does not cover its name. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}

async function writeTemporary(path: string, text: string, mode: number): Promise<string> {
  const unique = randomBytes(6).toString('hex')
  const temporary = join(dirname(path), `.${basename(path)}.${unique}${temporarySuffix}`)
  await using file = await open(temporary, 'wx', mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } catch (error) {
    await unlink(temporary)
    throw error
  }
  return temporary
}
