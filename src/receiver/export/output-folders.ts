import { lstat, mkdir, stat } from 'node:fs/promises'
import { type BytePath, fsPath, joinPath, nameOf, parentOf } from '../../base/byte-path.ts'
import { errnoOf } from '../../base/errors.ts'
import { folderBesideFile } from './export-names.ts'

/** Made folders are remembered up to this many, then forgotten all at once. */
const rememberedFolders = 10_000

/**
 * Makes the folders of an export, and follows no symbolic link below its top. Where a file has a
 * folder's name (`/a` and `/a/b` were both files, at different times) the folder gets another one:
 * always the same, so that an export may be repeated.
 */
export class OutputFolders {
  readonly #top: BytePath
  readonly #made = new Map<BytePath, BytePath>()

  private constructor(top: BytePath) {
    this.#top = top
  }

  /** `top` is made if it is missing. @throws system errors */
  static async open(top: BytePath): Promise<OutputFolders> {
    await makeTop(top)
    return new OutputFolders(top)
  }

  /** The folder for files of `folder`, an absolute path that counts from the top. */
  async make(folder: BytePath): Promise<BytePath> {
    if (folder === '/') return this.#top
    const known = this.#made.get(folder)
    if (known !== undefined) return known
    const made = await makeBelow(await this.make(parentOf(folder)), nameOf(folder))
    if (this.#made.size >= rememberedFolders) this.#made.clear()
    this.#made.set(folder, made)
    return made
  }
}

/** Not with `recursive`: that spins for ever where a parent is there but the system says ENOENT. */
async function makeTop(top: BytePath, isParentMade = false): Promise<void> {
  try {
    await mkdir(fsPath(top))
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' && (await stat(fsPath(top))).isDirectory()) return
    if (errnoOf(error) !== 'ENOENT' || isParentMade) throw error
    await makeTop(parentOf(top))
    await makeTop(top, true)
  }
}

async function makeBelow(parent: BytePath, name: BytePath): Promise<BytePath> {
  const own = joinPath(parent, name)
  for (let count = 0; ; count += 1) {
    const path = count === 0 ? own : folderBesideFile(own, count)
    try {
      await mkdir(fsPath(path))
      return path
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
      if ((await lstat(fsPath(path))).isDirectory()) return path
    }
  }
}
