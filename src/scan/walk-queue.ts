import type { BytePath } from '../base/byte-path.ts'
import { FolderCursor } from './folder-cursor.ts'

export interface PendingFolder {
  readonly path: BytePath
  readonly root: BytePath
}

/** Folders that are read in turn, so that one with a million files does not hold up the others. */
const openAtOnce = 16
/** Above this many known but unread folders of a root its walk goes deep instead of wide. */
const pendingOfAllRoots = 8192
const pendingOfOneRoot = 64

/** The folders of one root that are known and not being read; the next one is the last. */
interface Branch {
  /** Cursors are in it only while the walk goes deep. */
  readonly stack: (PendingFolder | FolderCursor)[]
  /** How high the stack was when its last folder was given out. */
  heightBefore: number
}

/**
 * Which folder of a walk comes next. Open ones are read in turn and further ones are opened as those
 * end, a folder of each root in turn. Known folders are bounded by the depth of the tree and not by
 * its width, and so are open ones: beyond {@link openAtOnce} a folder is open only while the walk is
 * below it.
 */
export class WalkQueue {
  readonly #branches = new Map<BytePath, Branch>()
  readonly #pendingLimit: number
  #inTurn: FolderCursor[] = []

  /** @param roots - All roots of the walk, in the order in which they are to come. */
  constructor(roots: readonly BytePath[]) {
    for (const root of roots) {
      this.#branches.set(root, { stack: [{ path: root, root }], heightBefore: 0 })
    }
    this.#pendingLimit = Math.max(
      pendingOfOneRoot,
      Math.floor(pendingOfAllRoots / Math.max(1, roots.length)),
    )
  }

  /** Folders that are known and have not been read to their end. */
  get size(): number {
    let size = this.#inTurn.length
    for (const { stack } of this.#branches.values()) size += stack.length
    return size
  }

  /** A folder that was found in the one given out last. */
  add(folder: PendingFolder): void {
    this.#branches.get(folder.root)!.stack.push(folder)
  }

  /** The folder given out last, if it is not at its end. */
  keepOpen(cursor: FolderCursor): void {
    if (this.#inTurn.length < openAtOnce) {
      this.#inTurn.push(cursor)
      return
    }
    // Below the folders that were found in it: it goes on when they have been read.
    const { stack, heightBefore } = this.#branches.get(cursor.root)!
    stack.splice(heightBefore, 0, cursor)
  }

  next(): FolderCursor | PendingFolder | undefined {
    const next = this.#deepNext() ?? this.#newInTurn() ?? this.#inTurn.shift()
    if (next !== undefined) {
      const branch = this.#branches.get(next.root)!
      branch.heightBefore = branch.stack.length
    }
    return next
  }

  closeAll(): void {
    const stacked = [...this.#branches.values()].flatMap(({ stack }) => stack.splice(0))
    for (const folder of [...this.#inTurn.splice(0), ...stacked]) {
      if (folder instanceof FolderCursor) folder.close()
    }
  }

  #deepNext(): FolderCursor | PendingFolder | undefined {
    for (const { stack } of this.#branches.values()) {
      if (stack.length > this.#pendingLimit) return stack.pop()
    }
    return undefined
  }

  #newInTurn(): FolderCursor | PendingFolder | undefined {
    if (this.#inTurn.length >= openAtOnce) return undefined
    for (const [root, branch] of this.#branches) {
      const folder = branch.stack.pop()
      if (folder === undefined) continue
      // To the end of the row: the next folder is another root's.
      this.#branches.delete(root)
      this.#branches.set(root, branch)
      return folder
    }
    return undefined
  }
}
