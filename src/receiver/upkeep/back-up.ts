import { existsSync } from 'node:fs'
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { bytePath } from '../../base/byte-path.ts'
import { LongshoreError } from '../../base/errors.ts'
import { overlaps, realPath } from '../../base/real-path.ts'
import { receiverDataMarker } from '../../base/receiver-data-marker.ts'
import type { DataFolder } from '../identity/data-folder.ts'
import { DataFolderLock } from '../identity/data-folder-lock.ts'
import { createFileOnce, syncFolder } from '../identity/durable-file.ts'
import { shown } from '../identity/folder-errors.ts'
import { makeFolder } from '../identity/make-folder.ts'
import { catalogError } from '../store/catalog-errors.ts'
import { SegmentFolder } from '../store/segment-folder.ts'
import { removeCatalog, sealCatalog, takeCatalogAlone } from './catalog-files.ts'
import { CatalogReader } from './catalog-reader.ts'
import { copySegment } from './copy-segment.ts'
import { knownDamageFile } from './known-damage.ts'
import { mirrorFile, mirrorFolder } from './mirror-folder.ts'
import { stoppedError } from './segment-reader.ts'

export interface BackUpOptions {
  readonly dataFolder: DataFolder
  /** Made if it is missing; else empty, or a backup of the same data folder. */
  readonly to: string
  readonly signal: AbortSignal
  readonly onProgress: (copiedBytes: number) => void
  /** The segment is shorter than the catalog says; what there is of it is copied. */
  readonly onDamaged: (segmentId: number) => void
}

export interface BackUpReport {
  readonly segments: number
  readonly files: number
  /** What was new since the last one. */
  readonly copiedBytes: number
  readonly damagedSegments: number
}

/**
 * Copies a data folder while its receiver may be running. First the catalog as it is at one moment,
 * then of each segment what that catalog knows, then the catalog is put in its place: at each moment
 * the copy is a data folder whose catalog points at nothing that is not there.
 *
 * @throws LongshoreError `output_not_empty`, `data_folder_in_use`, `stopped` and others
 */
export async function backUp(options: BackUpOptions): Promise<BackUpReport> {
  const { dataFolder, signal, onProgress, onDamaged } = options
  const to = resolve(options.to)
  await makeBackupFolder(dataFolder.path, to)
  const lock = DataFolderLock.take(to)
  try {
    const catalogFile = join(to, 'catalog.sqlite')
    const newFile = `${catalogFile}.new`
    const have = knownEnds(catalogFile)
    await removeCatalog(newFile)
    await snapshot(dataFolder.catalogFile, newFile)
    const { ends, files } = contentsOf(newFile)
    checkDescent(to, have, ends)
    const from = new SegmentFolder(dataFolder.segmentsFolder)
    const target = new SegmentFolder(join(to, 'segments'))
    let copiedBytes = 0
    let damagedSegments = 0
    for (const [segmentId, wantedBytes] of ends) {
      const result = await copySegment({
        from: from.pathOf(segmentId, 'seg'),
        to: target.pathOf(segmentId, 'seg'),
        haveBytes: have.get(segmentId) ?? 0,
        wantedBytes,
        onPiece: (sizeBytes) => {
          if (signal.aborted) throw stoppedError()
          copiedBytes += sizeBytes
          onProgress(copiedBytes)
        },
      })
      if (result === 'another segment')
        throw notItsBackup(to, `its segment ${segmentId} is another`)
      if (result !== 'short') continue
      damagedSegments += 1
      onDamaged(segmentId)
    }
    await target.sync()
    await mirrorFolder(dataFolder.machinesFolder, join(to, 'machines'))
    await mirrorFolder(dataFolder.tlsFolder, join(to, 'tls'))
    if (!(await mirrorFile(knownDamageFile(dataFolder.path), knownDamageFile(to)))) {
      await rm(knownDamageFile(to), { force: true })
    }
    await rename(newFile, catalogFile)
    await syncFolder(to)
    return { segments: ends.size, files, copiedBytes, damagedSegments }
  } finally {
    lock.release()
  }
}

/** Makes `to` a data folder of the same identity, unless it is one. */
async function makeBackupFolder(from: string, to: string): Promise<void> {
  if (overlaps(realPath(bytePath(from)), realPath(bytePath(to)))) {
    throw notItsBackup(to, 'it overlaps with the data folder itself')
  }
  await makeFolder(to)
  const marker = await readFile(join(from, receiverDataMarker), 'utf8')
  const markerFile = join(to, receiverDataMarker)
  if (!existsSync(markerFile)) {
    const other = (await readdir(to)).find((name) => !mayBeThere(name))
    if (other !== undefined) throw notItsBackup(to, `it holds other files (${shown(other)})`)
    await createFileOnce(markerFile, marker, 0o600)
  }
  if ((await readFile(markerFile, 'utf8')) !== marker) {
    throw notItsBackup(to, 'it belongs to another data folder')
  }
  await makeFolder(join(to, 'segments'))
}

/** Of a new file system, or of a backup that ended while its first file was made. */
function mayBeThere(name: string): boolean {
  return name === 'lost+found' || name.startsWith(`.${receiverDataMarker}.`)
}

/** What an earlier backup has on stable storage. */
function knownEnds(catalogFile: string): ReadonlyMap<number, number> {
  if (!existsSync(catalogFile)) return new Map()
  const alone = takeCatalogAlone(catalogFile)
  if (alone === undefined) {
    throw new LongshoreError(
      'data_damaged',
      `the catalog of the backup ${catalogFile} is damaged`,
      {
        hint: 'Back up to another folder.',
      },
    )
  }
  alone.close()
  return contentsOf(catalogFile).ends
}

function contentsOf(catalogFile: string) {
  const reader = CatalogReader.open(catalogFile)
  try {
    return { ends: reader.segmentEnds(), files: reader.counts().files }
  } finally {
    reader.close()
  }
}

/** Copies a catalog that is being written to, as it is at one moment. */
async function snapshot(catalogFile: string, newFile: string): Promise<void> {
  // Says what is wrong with it where something is.
  CatalogReader.open(catalogFile).close()
  const source = new DatabaseSync(catalogFile, { readOnly: true, timeout: 10_000 })
  try {
    // In one step: after each step a receiver that commits meanwhile would have it begin again.
    await backup(source, newFile, { rate: 0x7fff_ffff })
  } catch (error) {
    throw catalogError(catalogFile, error)
  } finally {
    source.close()
  }
  await sealCatalog(newFile)
}

/**
 * A backup that knows more than its data folder is of a later time, has been used as a data folder
 * itself, or holds what has been lost here. None of that may be written over.
 */
function checkDescent(
  to: string,
  have: ReadonlyMap<number, number>,
  ends: ReadonlyMap<number, number>,
): void {
  for (const [segmentId, end] of have) {
    if (end <= (ends.get(segmentId) ?? 0)) continue
    throw notItsBackup(to, `of segment ${segmentId} it holds more than the data folder`)
  }
}

function notItsBackup(to: string, why: string): LongshoreError {
  return new LongshoreError('output_not_empty', `cannot back up to ${shown(to)}: ${why}`, {
    hint: 'Give --to an empty folder, or an earlier backup of the same data folder.',
  })
}
