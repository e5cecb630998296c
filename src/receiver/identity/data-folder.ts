import { access, constants } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Clock, systemClock } from '../../base/clock.ts'
import { errnoOf, LongshoreError, messageOf } from '../../base/errors.ts'
import {
  type DataFolderMarker,
  makeMarker,
  readMarker,
  type StoreKind,
} from './data-folder-marker.ts'
import { isSystemError, shown, unusableFolder } from './folder-errors.ts'
import { makeFolder } from './make-folder.ts'

/** A receiver's data folder, open and known to be ours. All paths are absolute. */
export interface DataFolder extends DataFolderMarker {
  readonly path: string
  readonly segmentsFolder: string
  readonly catalogFile: string
  readonly machinesFolder: string
  readonly tlsFolder: string
}

export interface DataFolderOptions {
  /**
   * The kind of receiver that opens the folder. `as_made` is for commands that work on either kind,
   * such as adding a machine: it takes the folder as it was made, and makes a durable one.
   */
  readonly store: StoreKind | 'as_made'
  /** Whether a missing or empty folder is made into a data folder, or refused. */
  readonly create: boolean
  readonly clock?: Clock
}

/**
 * Opens a receiver's data folder, after having made it where that is asked for.
 *
 * A folder with anything in it but no marker of ours is never used: a person's files and the
 * receiver's must not mix. Does not lock; see `DataFolderLock`.
 *
 * @throws LongshoreError `data_folder_unusable`, `data_folder_newer`, `data_folder_other_store`
 */
export async function openDataFolder(
  path: string,
  options: DataFolderOptions,
): Promise<DataFolder> {
  const folder = resolve(path)
  try {
    const marker = options.create
      ? await findOrMakeMarker(folder, options)
      : await readMarker(folder)
    if (marker === undefined) throw unusableFolder(folder, 'no receiver has made it')
    checkStore(folder, marker.store, options.store)
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    return await withSubfolders(folder, marker)
  } catch (error) {
    if (!isSystemError(error)) throw error
    throw unusableFolder(folder, causeText(error), error)
  }
}

async function findOrMakeMarker(
  folder: string,
  options: DataFolderOptions,
): Promise<DataFolderMarker> {
  await makeFolder(folder)
  const marker = await readMarker(folder)
  if (marker !== undefined) return marker
  const store = options.store === 'as_made' ? 'folder' : options.store
  const createdAt = new Date((options.clock ?? systemClock).wallMs()).toISOString()
  return makeMarker(folder, { store, createdAt })
}

function checkStore(folder: string, made: StoreKind, wanted: StoreKind | 'as_made'): void {
  if (wanted === 'as_made' || wanted === made) return
  throw made === 'null'
    ? new LongshoreError(
        'data_folder_other_store',
        `The data folder ${shown(folder)} was made with --store null: its receiver throws away what arrives, so it cannot become one that keeps it.`,
        { hint: 'Give another folder with --data, or start with --store null.' },
      )
    : new LongshoreError(
        'data_folder_other_store',
        `The data folder ${shown(folder)} belongs to a receiver that keeps what arrives. With --store null its machines' files would be removed from them and thrown away.`,
        { hint: 'Give --store null a folder of its own with --data.' },
      )
}

async function withSubfolders(folder: string, marker: DataFolderMarker): Promise<DataFolder> {
  const opened: DataFolder = {
    path: folder,
    ...marker,
    segmentsFolder: join(folder, 'segments'),
    catalogFile: join(folder, 'catalog.sqlite'),
    machinesFolder: join(folder, 'machines'),
    tlsFolder: join(folder, 'tls'),
  }
  for (const path of [opened.segmentsFolder, opened.machinesFolder, opened.tlsFolder]) {
    await makeFolder(path)
  }
  return opened
}

function causeText(error: unknown): string {
  switch (errnoOf(error)) {
    case 'ENOTDIR':
      return 'it is not a folder'
    case 'EACCES':
      return 'this user may not read and write it'
    case 'EROFS':
      return 'its file system is read-only'
    default:
      return messageOf(error)
  }
}
