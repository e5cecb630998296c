import { link, open, rename, unlink } from 'node:fs/promises'
import { type BytePath, fsPath } from '../../base/byte-path.ts'
import { errnoOf } from '../../base/errors.ts'

const noLinksHere = new Set<string | undefined>(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

/**
 * Gives a finished file its name, never that of another file. `temporary` may be there afterwards.
 *
 * @param makeLink - Tests put one in its place that fails as exFAT does, which USB sticks have.
 * @throws system errors; `EEXIST` when the name is taken
 */
export async function putInPlace(
  temporary: BytePath,
  target: BytePath,
  makeLink: (from: string | Buffer, to: string | Buffer) => Promise<void> = link,
): Promise<void> {
  try {
    await makeLink(fsPath(temporary), fsPath(target))
    return
  } catch (error) {
    if (!noLinksHere.has(errnoOf(error))) throw error
  }
  // A rename would replace what is there: so the name is taken first, and then only our own replaced.
  await (await open(fsPath(target), 'wx')).close()
  try {
    await rename(fsPath(temporary), fsPath(target))
  } catch (error) {
    await unlink(fsPath(target))
    throw error
  }
}
