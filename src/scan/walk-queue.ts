import type { BytePath } from '../base/byte-path.ts'
import type { FolderCursor } from './folder-cursor.ts'

export interface PendingFolder {
  readonly path: BytePath
  readonly root: BytePath
}

/** Folders that are read in turn, so that one with a million files does not hold up the others. */
const openAtOnce = 16
/** Above this many known but unread folders the walk goes deep instead of wide. */
const pendingLimit = 8192

/**
 * Which folder of a walk comes next: the open ones in turn, further ones as those end. Bounded by the
 * depth of the tree, not by its width.
 */
export class WalkQueue {
  readonly #pending: PendingFolder[] = []
  readonly #open: FolderCursor[] = []

  add(folder: PendingFolder): void {
    this.#pending.push(folder)
  }

  keepOpen(cursor: FolderCursor): void {
    this.#open.push(cursor)
  }

  next(): FolderCursor | PendingFolder | undefined {
    const goDeep = this.#pending.length > pendingLimit
    if (this.#pending.length > 0 && (goDeep || this.#open.length < openAtOnce)) {
      return this.#pending.pop()
    }
    return this.#open.shift() ?? this.#pending.pop()
  }

  closeAll(): void {
    for (const cursor of this.#open.splice(0)) cursor.close()
    this.#pending.length = 0
  }
}
