import { readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import { replaceFile, temporarySuffix } from '../identity/durable-file.ts'
import { makeFolder } from '../identity/make-folder.ts'

/**
 * Makes `to` hold the same small text files as `from`, with their modes; others there are removed. Each
 * file is replaced in one step.
 */
export async function mirrorFolder(from: string, to: string): Promise<void> {
  await makeFolder(to)
  const names = (await readdir(from)).filter((name) => !name.endsWith(temporarySuffix))
  const gone = new Set(await readdir(to))
  for (const name of names) {
    if (await mirrorFile(join(from, name), join(to, name))) gone.delete(name)
  }
  for (const name of gone) await unlink(join(to, name))
}

/** False where there is no such file. */
export async function mirrorFile(from: string, to: string): Promise<boolean> {
  const wanted = await contentOf(from)
  if (wanted === undefined) return false
  const there = await contentOf(to)
  if (there?.text !== wanted.text || there.mode !== wanted.mode) {
    await replaceFile(to, wanted.text, wanted.mode)
  }
  return true
}

async function contentOf(file: string) {
  try {
    return { text: await readFile(file, 'utf8'), mode: (await stat(file)).mode & 0o777 }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
