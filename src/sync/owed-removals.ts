import type { BytePath } from '../base/byte-path.ts'
import type { FileIdentity } from '../base/file-identity.ts'
import type { Candidate } from '../scan/candidate.ts'

/** Beyond this the oldest are forgotten: their files are uploaded again, and found to be stored. */
const maxOwed = 10_000

/**
 * Files that the receiver has, but that could not be removed when it said so: somebody may have been
 * writing, or the system refused. They are removed later without being uploaded again, as long as they
 * are what was read then.
 */
export class OwedRemovals {
  readonly #owed = new Map<BytePath, FileIdentity>()

  get size(): number {
    return this.#owed.size
  }

  add(path: BytePath, identity: FileIdentity): void {
    this.#owed.delete(path)
    if (this.#owed.size >= maxOwed) {
      const [oldest] = this.#owed.keys()
      this.#owed.delete(oldest!)
    }
    this.#owed.set(path, identity)
  }

  /** The identity under which the receiver has the file, if it still seems to be that one. */
  of({ path, device, inode, sizeBytes, mtimeNs }: Candidate): FileIdentity | undefined {
    const identity = this.#owed.get(path)
    const isIt =
      identity?.device === device &&
      identity.inode === inode &&
      identity.sizeBytes === sizeBytes &&
      identity.mtimeNs === mtimeNs
    return isIt ? identity : undefined
  }

  forget(path: BytePath): void {
    this.#owed.delete(path)
  }
}
