import { existsSync } from 'node:fs'
import { LongshoreError } from '../../base/errors.ts'
import type { DataFolder } from '../identity/data-folder.ts'
import type { StoredFile } from '../store/catalog.ts'
import { FolderSegmentStore } from '../store/folder-segment-store.ts'
import { type Damage, recover } from '../store/recovery.ts'
import type { SegmentInfo } from '../store/segment-store.ts'
import { SqliteCatalog } from '../store/sqlite-catalog.ts'
import { carryOver } from './carry-over.ts'
import { putCatalogInForce, removeCatalog, sealCatalog, takeCatalogAlone } from './catalog-files.ts'
import { CatalogReader } from './catalog-reader.ts'
import { writeKnownDamage } from './known-damage.ts'
import { type ReadSegment, segmentReader } from './segment-reader.ts'

export interface RebuildOptions {
  /** Its lock is held by the caller. */
  readonly dataFolder: DataFolder
  readonly signal: AbortSignal
  readonly onProgress: (readBytes: number, ofBytes: number) => void
  /** The old catalog knows a file whose bytes are gone or wrong. */
  readonly onLost: (file: StoredFile) => void
}

export interface RebuildReport {
  readonly segments: number
  readonly messages: number
  readonly files: number
  readonly damaged: readonly Damage[]
  /** Of damaged records: found by means of the old catalog, with the right hash. */
  readonly carriedOver: number
  readonly lost: number
  /** Whether there was an old catalog, and all of it could be compared with the new one. */
  readonly comparedWithOld: 'all' | 'part' | 'nothing'
  /** Where the old catalog is now. */
  readonly keptAs: string | undefined
}

/**
 * Makes the catalog anew from the segments, beside the old one, and puts it in force at the end. Of what
 * is damaged, each file that the old catalog knows and whose bytes still have their hash is kept. No
 * segment is changed.
 *
 * @throws LongshoreError `stopped` with the old catalog in force; `data_folder_in_use`,
 *   `data_folder_newer`, `data_folder_unusable`
 */
export async function rebuildCatalog(options: RebuildOptions): Promise<RebuildReport> {
  const { dataFolder, signal, onProgress, onLost } = options
  const { catalogFile } = dataFolder
  const newFile = `${catalogFile}.new`
  const old = openOld(catalogFile)
  const segments = await FolderSegmentStore.open(dataFolder.segmentsFolder)
  try {
    await removeCatalog(newFile)
    const list = await segments.list()
    const ofBytes = list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    let readBytes = 0
    const read = segmentReader(segments, signal, (sizeBytes) => {
      readBytes += sizeBytes
      onProgress(Math.min(readBytes, ofBytes), ofBytes)
    })
    const fresh = SqliteCatalog.open(newFile, { readOnly: false })
    const work = { fresh, old, segments, list, read, onLost }
    const result = await fill(work).finally(() => fresh.close())
    await sealCatalog(newFile)
    const counts = countsOf(newFile)
    await old?.close()
    const keptAs = await putCatalogInForce(newFile, catalogFile)
    await writeKnownDamage(dataFolder.path, result.damaged)
    return { ...result, ...counts, segments: list.length, keptAs }
  } catch (error) {
    await removeCatalog(newFile)
    throw error
  } finally {
    await segments.close()
    await old?.close()
  }
}

/** Undefined where there is none, or none that can be read. */
function openOld(catalogFile: string): SqliteCatalog | undefined {
  if (!existsSync(catalogFile)) return undefined
  // Whoever has it open is met now, rather than after hours of work.
  const alone = takeCatalogAlone(catalogFile)
  if (alone === undefined) return undefined
  alone.close()
  try {
    return SqliteCatalog.open(catalogFile, { readOnly: true })
  } catch (error) {
    if (error instanceof LongshoreError && error.code !== 'data_folder_newer') return undefined
    throw error
  }
}

interface Work {
  readonly fresh: SqliteCatalog
  readonly old: SqliteCatalog | undefined
  readonly segments: FolderSegmentStore
  readonly list: readonly SegmentInfo[]
  readonly read: ReadSegment
  readonly onLost: (file: StoredFile) => void
}

async function fill({ fresh, old, segments, list, read, onLost }: Work) {
  const never = () => Promise.reject(new Error('a rebuild changes no segment'))
  const { damaged: found } = await recover(
    {
      list: async () => list,
      read,
      sync: (segmentId, fromByte) => segments.sync(segmentId, fromByte),
      truncate: never,
      remove: never,
    },
    fresh,
  )
  if (old === undefined) {
    const nothing = { carriedOver: 0, lost: 0, comparedWithOld: 'nothing' } as const
    return { damaged: found, ...nothing }
  }
  const sizes = new Map(list.map(({ segmentId, sizeBytes }) => [segmentId, sizeBytes]))
  const damaged = [...found, ...goneSince(endsOf(old), sizes)]
  return { damaged, ...(await carryOver({ fresh, old, sizes, read, onLost })) }
}

/** What the old catalog says was there and is not: a segment may be cut exactly between two records. */
function goneSince(
  ends: ReadonlyMap<number, number>,
  sizes: ReadonlyMap<number, number>,
): readonly Damage[] {
  return [...ends]
    .map(([segmentId, end]) => ({ segmentId, fromByte: sizes.get(segmentId) ?? 0, end }))
    .filter(({ fromByte, end }) => fromByte < end)
    .map(({ segmentId, fromByte }) => ({ segmentId, fromByte }))
}

function endsOf(old: SqliteCatalog): ReadonlyMap<number, number> {
  try {
    return old.segmentEnds()
  } catch (error) {
    if (error instanceof LongshoreError) return new Map()
    throw error
  }
}

function countsOf(file: string) {
  const reader = CatalogReader.open(file)
  try {
    return reader.counts()
  } finally {
    reader.close()
  }
}
