import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LongshoreError, messageOf } from '../../base/errors.ts'
import { shown } from './folder-errors.ts'

const lockName = 'receiver.lock'
const holderName = 'receiver.pid'
/** SQLITE_BUSY, https://sqlite.org/rescode.html#busy */
const sqliteBusy = 5

/** Locks in force. A database that is garbage collected closes, and would let its lock go. */
const held = new Set<DatabaseSync>()

/**
 * The right to be the one receiver on a data folder. Holds for all processes and containers of the
 * computer that see the folder, and ends with the process, however that ends: it is a lock of the
 * kernel on `receiver.lock`, held by an SQLite transaction because Node has no `flock` of its own.
 *
 * Nothing else in this process may open `receiver.lock`: closing any descriptor of a file drops all
 * POSIX locks the process has on it (https://sqlite.org/howtocorrupt.html section 2.2).
 */
export class DataFolderLock {
  readonly #database: DatabaseSync
  readonly #holderFile: string

  private constructor(database: DatabaseSync, holderFile: string) {
    this.#database = database
    this.#holderFile = holderFile
  }

  /**
   * Takes the lock on an open data folder, at once or not at all.
   *
   * @throws LongshoreError `data_folder_in_use` while another receiver has it, also in this process;
   *   `data_folder_unusable` where the lock file cannot be made or is not ours
   */
  static take(folderPath: string): DataFolderLock {
    const holderFile = join(folderPath, holderName)
    const database = openLocked(folderPath, holderFile)
    try {
      writeFileSync(holderFile, `${process.pid} ${hostname()}\n`, { mode: 0o600 })
    } catch (error) {
      database.close()
      throw unusable(folderPath, error)
    }
    held.add(database)
    return new DataFolderLock(database, holderFile)
  }

  /** Lets the next receiver have the folder. Does nothing the second time. */
  release(): void {
    if (!held.delete(this.#database)) return
    try {
      rmSync(this.#holderFile, { force: true })
    } finally {
      this.#database.close()
    }
  }
}

function openLocked(folderPath: string, holderFile: string): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(join(folderPath, lockName), { timeout: 0 })
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    if ((error as { errcode?: unknown }).errcode !== sqliteBusy) throw unusable(folderPath, error)
    throw new LongshoreError(
      'data_folder_in_use',
      `Another receiver is running on the data folder ${shown(folderPath)}${holderText(holderFile)}.`,
      { hint: 'Stop that receiver, or give this one a folder of its own with --data.' },
    )
  }
}

/** The note beside the lock can be older than the holder, and its number from another container. */
function holderText(holderFile: string): string {
  try {
    const match = /^(\d+) (\S+)\n$/.exec(readFileSync(holderFile, 'utf8'))
    if (match === null) return ''
    return ` (process ${match[1]} on ${shown(match[2] ?? '')} by its ${holderName}, which may be stale)`
  } catch {
    return ''
  }
}

function unusable(folderPath: string, error: unknown): LongshoreError {
  return new LongshoreError(
    'data_folder_unusable',
    `The data folder ${shown(folderPath)} cannot be locked with its ${lockName}: ${messageOf(error)}.`,
    {
      hint: `Check that this user can write there. If ${lockName} is damaged and no receiver runs, remove it: it holds no data.`,
      cause: error,
    },
  )
}
