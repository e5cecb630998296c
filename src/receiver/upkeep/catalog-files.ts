import { existsSync } from 'node:fs'
import { link, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { errnoOf, LongshoreError } from '../../base/errors.ts'
import { syncFolder } from '../identity/durable-file.ts'
import { catalogError } from '../store/catalog-errors.ts'

/** https://sqlite.org/rescode.html: IOERR, CORRUPT, NOTADB. What a failing disk makes of a file. */
const damagedCodes = new Set([10, 11, 26])
/** SQLITE_BUSY and SQLITE_LOCKED. */
const busyCodes = new Set([5, 6])
const busyTimeoutMs = 5000

/** What SQLite may have written beside a database, and would apply to whatever has its name. */
const siblingSuffixes = ['-wal', '-journal', '-shm'] as const

/** Removes a catalog that nobody uses, if it is there. */
export async function removeCatalog(file: string): Promise<void> {
  for (const suffix of ['', ...siblingSuffixes]) await rm(`${file}${suffix}`, { force: true })
}

/**
 * Takes the log of a catalog into its file, so that the file alone is the whole catalog, and holds it
 * against everybody else until the returned handle is closed. Undefined where the file is too damaged
 * for that.
 *
 * @throws LongshoreError `data_folder_in_use` while another process has it open; `data_folder_unusable`
 */
export function takeCatalogAlone(file: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { timeout: busyTimeoutMs })
    // Leaving WAL mode needs the database for oneself, and removes the log.
    database.prepare('PRAGMA journal_mode = DELETE').get()
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    const code = ((error as { readonly errcode?: number }).errcode ?? 0) & 0xff
    if (damagedCodes.has(code)) return undefined
    if (!busyCodes.has(code)) throw catalogError(file, error)
    throw new LongshoreError('data_folder_in_use', `another process reads the catalog ${file}`, {
      hint: 'Wait until receiver ls, export, verify and backup have ended, and run it again.',
      cause: error,
    })
  }
}

/** Makes a catalog that was just written one file, on stable storage. @throws LongshoreError */
export async function sealCatalog(file: string): Promise<void> {
  const database = takeCatalogAlone(file)
  if (database === undefined) {
    throw new LongshoreError('data_damaged', `what was just written to ${file} cannot be read`, {
      hint: 'Check the disk.',
    })
  }
  database.close()
  await using written = await open(file, 'r+')
  await written.sync()
}

/**
 * Puts a sealed catalog in the place of the one in force. A crash leaves the old one in force or the new
 * one; only where the old one is too damaged to be opened it may also leave none, and then the next
 * start makes one from the segments.
 *
 * @returns where the old one is kept, if there was one
 * @throws LongshoreError `data_folder_in_use`, `data_folder_unusable`; and system errors
 */
export async function putCatalogInForce(
  newFile: string,
  file: string,
): Promise<string | undefined> {
  const folder = dirname(file)
  const keptAs = existsSync(file) ? freeName(file) : undefined
  if (keptAs !== undefined) {
    const old = takeCatalogAlone(file)
    if (old !== undefined) {
      try {
        await link(file, keptAs)
        // Its log must be gone for good before another file takes its name.
        await syncFolder(folder)
        await rename(newFile, file)
        await syncFolder(folder)
      } finally {
        old.close()
      }
      return keptAs
    }
    await rename(file, keptAs)
    await syncFolder(folder)
  }
  for (const suffix of siblingSuffixes) {
    if (keptAs === undefined) await rm(`${file}${suffix}`, { force: true })
    else await renameIfThere(`${file}${suffix}`, `${keptAs}${suffix}`)
  }
  await syncFolder(folder)
  await rename(newFile, file)
  await syncFolder(folder)
  return keptAs
}

function freeName(file: string): string {
  for (let number = 1; ; number += 1) {
    const name = `${file}.old-${number}`
    if (!existsSync(name)) return name
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}
