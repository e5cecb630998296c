import { chmod, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, LongshoreError } from '../../base/errors.ts'
import { receiverDataMarker } from '../../base/receiver-data-marker.ts'
import { createFileOnce, temporarySuffix } from './durable-file.ts'
import { shown, unusableFolder } from './folder-errors.ts'

/** What a receiver does with what arrives: keeps it in a folder, or hashes it and throws it away. */
export type StoreKind = 'folder' | 'null'

/** What makes a folder a receiver's data folder: `longshore-receiver.json`. */
export interface DataFolderMarker {
  readonly store: StoreKind
  /** When the folder was made, RFC 3339. */
  readonly createdAt: string
}

const currentFormat = 1

/** @throws LongshoreError `data_folder_newer`, `data_folder_unusable`; and system errors */
export async function readMarker(folder: string): Promise<DataFolderMarker | undefined> {
  let text: string
  try {
    text = await readFile(join(folder, receiverDataMarker), 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
  const { format, store, created_at: createdAt } = parseObject(text)
  if (typeof format === 'number' && format > currentFormat) {
    throw new LongshoreError(
      'data_folder_newer',
      `The data folder ${shown(folder)} has format ${format}; this Longshore knows formats up to ${currentFormat}.`,
      { hint: 'Upgrade Longshore on this computer, or give another folder with --data.' },
    )
  }
  if (format !== currentFormat || !isStoreKind(store) || typeof createdAt !== 'string') {
    throw unusableFolder(
      folder,
      `its ${receiverDataMarker} is damaged: it is not what Longshore wrote`,
    )
  }
  return { store, createdAt }
}

/**
 * Makes an empty folder a data folder. Where another process does so first, its marker counts.
 *
 * @throws LongshoreError `data_folder_unusable` where the folder holds anything; and system errors
 */
export async function makeMarker(
  folder: string,
  marker: DataFolderMarker,
): Promise<DataFolderMarker> {
  const foreign = (await readdir(folder)).find((name) => !mayBeInNewFolder(name))
  if (foreign === undefined) {
    // A folder that a person made empty is now ours. One that belongs to another user (a mount point
    // writable for a group) cannot be closed; what is secret lies in subfolders with mode 0700.
    await chmod(folder, 0o700).catch(() => undefined)
    const { store, createdAt } = marker
    const text = `${JSON.stringify({ format: currentFormat, store, created_at: createdAt })}\n`
    await createFileOnce(join(folder, receiverDataMarker), text, 0o600)
  }
  const made = await readMarker(folder)
  if (made !== undefined) return made
  throw unusableFolder(
    folder,
    `it holds other files (${shown(foreign ?? '')}), no ${receiverDataMarker}`,
  )
}

/** A new file system has `lost+found`; a power cut while the marker was made leaves its temporary. */
function mayBeInNewFolder(name: string): boolean {
  return (
    name === 'lost+found' ||
    (name.startsWith(`.${receiverDataMarker}.`) && name.endsWith(temporarySuffix))
  )
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Not JSON: told like any other damage.
  }
  return {}
}

function isStoreKind(value: unknown): value is StoreKind {
  return value === 'folder' || value === 'null'
}
