import { type BytePath, isAtOrBelow, parentOf } from '../base/byte-path.ts'
import type { Candidate } from '../scan/candidate.ts'
import { backoffMs } from './backoff.ts'

type HeldFile = Pick<Candidate, 'path' | 'mtimeNs' | 'sizeBytes'>

interface Held {
  readonly attempts: number
  readonly notBeforeMs: number
}

interface HeldVersion extends Held {
  readonly mtimeNs: bigint
  readonly sizeBytes: number
}

/** What a failed try has led to. */
export interface Hold {
  /** Tries of a file; for a folder or a root, the times that it has begun to wait. */
  readonly attempts: number
  /** What waits: the file alone, or, with too many of them, all that is ready in that place. */
  readonly held: BytePath
  /** False for a further file of a folder or root that waits already. */
  readonly isNew: boolean
}

export interface HeldCounts {
  /** Held one by one. */
  readonly files: number
  /** Folders and roots that are held as a whole. */
  readonly folders: number
}

const maxFiles = 10_000
const maxFolders = 1000
const backoff = { firstMs: 1000, capMs: 10 * 60_000 }
/** Those that were to be tried again so long ago are forgotten: most of their files have gone. */
const overdueMs = 60 * 60_000
const makeRoomEveryMs = 60_000

/**
 * Files that are to be tried again, but not yet. They hold no worker and nothing but their name.
 *
 * Above 10,000 files, the folder of each further one is held instead, and above 1,000 folders its root,
 * of which there are as many as the config names: then something is wrong with the disk or the rights,
 * and memory stays bounded (invariant 7). Nothing is forgotten before its time, which would have a
 * file tried without a pause; it is an hour after it, as nobody tells of files that are taken away. Files that are not to blame wait with the others there, for 10 minutes at
 * most: when the time is over, everything in the folder or root is tried once before it is held again.
 */
export class HeldFiles {
  readonly #files = new Map<BytePath, HeldVersion>()
  readonly #folders = new Map<BytePath, Held>()
  readonly #roots = new Map<BytePath, Held>()
  #madeRoomAtMs = Number.NEGATIVE_INFINITY

  /** Files that have failed and are known one by one. */
  get size(): number {
    return this.#files.size
  }

  /** What waits now. */
  counts(nowMs: number): HeldCounts {
    const places = [...this.#folders.values(), ...this.#roots.values()]
    const count = (held: Iterable<Held>) => [...held].filter((each) => waits(each, nowMs)).length
    return { files: count(this.#files.values()), folders: count(places) }
  }

  /** Counts a failed try. */
  hold(file: HeldFile & Pick<Candidate, 'root'>, nowMs: number, random: number): Hold {
    const { path, root, mtimeNs, sizeBytes } = file
    const attempts = this.attempts(file) + 1
    this.#makeRoom(nowMs)
    if (this.#files.has(path) || this.#files.size < maxFiles) {
      const notBeforeMs = nowMs + backoffMs(attempts, backoff, random)
      this.#files.set(path, { mtimeNs, sizeBytes, attempts, notBeforeMs })
      return { attempts, held: path, isNew: true }
    }
    const folder = parentOf(path)
    if (this.#folders.has(folder) || this.#folders.size < maxFolders) {
      return holdPlace(this.#folders, folder, nowMs, random)
    }
    return holdPlace(this.#roots, root, nowMs, random)
  }

  /**
   * How many tries of the file have failed so far. One that has changed starts afresh. Not known, and 0,
   * of a file that is held with its folder: what failed there may have been others.
   */
  attempts({ path, mtimeNs, sizeBytes }: HeldFile): number {
    const held = this.#files.get(path)
    if (held === undefined || held.mtimeNs !== mtimeNs || held.sizeBytes !== sizeBytes) return 0
    return held.attempts
  }

  isHeld(path: BytePath, nowMs: number): boolean {
    if (waits(this.#files.get(path), nowMs)) return true
    if (this.#folders.size > 0 && waits(this.#folders.get(parentOf(path)), nowMs)) return true
    for (const [root, held] of this.#roots) {
      if (isAtOrBelow(path, root) && waits(held, nowMs)) return true
    }
    return false
  }

  /** Nothing is held against the file any more. A folder that is held stays so. */
  release(path: BytePath): void {
    this.#files.delete(path)
  }

  #makeRoom(nowMs: number): void {
    if (nowMs - this.#madeRoomAtMs < makeRoomEveryMs) return
    this.#madeRoomAtMs = nowMs
    for (const map of [this.#files, this.#folders, this.#roots]) dropOverdue(map, nowMs)
  }
}

/** Many of its files may fail in one pass: that counts as one. */
function holdPlace(
  places: Map<BytePath, Held>,
  place: BytePath,
  nowMs: number,
  random: number,
): Hold {
  const held = places.get(place)
  if (held !== undefined && waits(held, nowMs)) {
    return { attempts: held.attempts, held: place, isNew: false }
  }
  const isOld = held === undefined || nowMs - held.notBeforeMs >= overdueMs
  const attempts = isOld ? 1 : held.attempts + 1
  places.set(place, { attempts, notBeforeMs: nowMs + backoffMs(attempts, backoff, random) })
  return { attempts, held: place, isNew: true }
}

function waits(held: Held | undefined, nowMs: number): boolean {
  return held !== undefined && nowMs < held.notBeforeMs
}

function dropOverdue(map: Map<BytePath, Held>, nowMs: number): void {
  for (const [path, { notBeforeMs }] of map) {
    if (nowMs - notBeforeMs >= overdueMs) map.delete(path)
  }
}
