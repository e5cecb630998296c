import { LongshoreError } from '../../base/errors.ts'
import type { MessageEntry, StoredFile } from '../store/catalog.ts'
import type { SqliteCatalog } from '../store/sqlite-catalog.ts'
import { isFileWhole, type ReadSegment } from './segment-reader.ts'

export interface CarryOverOptions {
  /** Has all that could be read from the segments. */
  readonly fresh: SqliteCatalog
  readonly old: SqliteCatalog
  /** Of the segments that are there. */
  readonly sizes: ReadonlyMap<number, number>
  readonly read: ReadSegment
  readonly onLost: (file: StoredFile) => void
}

export interface CarryOverReport {
  readonly carriedOver: number
  readonly lost: number
  readonly comparedWithOld: 'all' | 'part'
}

const filesPerTransaction = 1000

/**
 * Sees that a new catalog has every file of an old one. What it lacks stood in a damaged record: it is
 * entered all the same where its bytes have their hash, for then only what was around it is damaged.
 */
export async function carryOver(options: CarryOverOptions): Promise<CarryOverReport> {
  const { fresh, old, sizes, read, onLost } = options
  let carriedOver = 0
  let lost = 0
  let entries: MessageEntry[] = []
  const enter = async () => {
    if (entries.length > 0) await fresh.enter(entries)
    carriedOver += entries.length
    entries = []
  }
  const files = old.files()[Symbol.iterator]()
  while (true) {
    const next = nextOf(files)
    if (next === 'unreadable') {
      await enter()
      return { carriedOver, lost, comparedWithOld: 'part' }
    }
    if (next === undefined) break
    const entry = entryOf(next, sizes.get(next.segmentId) ?? 0)
    if (await fresh.holdsAll(next.machine, entry.files)) continue
    if (await isFileWhole(read, next)) entries.push(entry)
    else {
      lost += 1
      onLost(next)
    }
    if (entries.length >= filesPerTransaction) await enter()
  }
  await enter()
  return { carriedOver, lost, comparedWithOld: 'all' }
}

function nextOf(files: Iterator<StoredFile>): StoredFile | undefined | 'unreadable' {
  try {
    const { done, value } = files.next()
    return done === true ? undefined : value
  } catch (error) {
    if (error instanceof LongshoreError) return 'unreadable'
    throw error
  }
}

/**
 * A message of this file alone: which one it came with can no longer be read. Its segment counts as
 * looked at to its end, so that no start cuts away what follows.
 */
function entryOf(stored: StoredFile, segmentBytes: number): MessageEntry {
  const { machine, path, sizeBytes, mtimeNs, ctimeNs, labels, digest, offset } = stored
  return {
    machine,
    uploadId: '',
    segmentId: stored.segmentId,
    recordOffset: offset,
    recordEnd: segmentBytes,
    receivedAtMs: stored.receivedAtMs,
    files: [{ file: { path, sizeBytes, mtimeNs, ctimeNs, labels }, digest, offset }],
  }
}
