import { existsSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { nameOf, parentOf } from '../../base/byte-path.ts'
import { LongshoreError } from '../../base/errors.ts'
import type { FileEntry, StoredFile } from '../store/catalog.ts'
import { catalogError, newerCatalog, noCatalogYet } from '../store/catalog-errors.ts'
import { schemaVersion } from '../store/catalog-schema.ts'
import { type FileRow, storedFile } from '../store/file-row.ts'
import type { Placement } from '../store/segment-store.ts'

/** What the catalog says of one segment. */
export interface SegmentRows {
  readonly segmentId: number
  /** Up to where it has been entered. */
  readonly end: number
  /** Rows that point into it. */
  readonly files: number
}

const rowsPerRead = 1000

/**
 * Looks into a catalog from the side, while a receiver may be writing to it: no transaction of it lasts
 * longer than a call, since a long one would keep SQLite's log from being taken in.
 */
export class CatalogReader {
  readonly #file: string
  readonly #db: DatabaseSync
  readonly #selectPlace: StatementSync
  readonly #selectFiles: StatementSync

  private constructor(file: string, db: DatabaseSync) {
    this.#file = file
    this.#db = db
    this.#selectPlace = db.prepare(
      `SELECT messages.segment AS segmentId, files.offset AS offset
       FROM files JOIN messages ON messages.id = files.message
       WHERE folder = (SELECT id FROM folders
           WHERE machine = (SELECT id FROM machines WHERE name = ?) AND path = ?)
         AND name = ? AND mtime_ns = ? AND size = ? AND blake3 = ?`,
    )
    this.#selectFiles = db.prepare(
      `SELECT files.id AS id, machines.name AS machine, folders.path AS folder, files.name AS name,
         size, mtime_ns, ctime_ns, blake3, received_at_ms, segment, files.offset AS offset, root,
         content_type, tags, dataset_ids, coding, capture
       FROM files JOIN messages ON messages.id = files.message
         JOIN folders ON folders.id = files.folder JOIN machines ON machines.id = folders.machine
         JOIN labels ON labels.id = files.labels
       WHERE files.id > ?1 AND segment = ?2 ORDER BY files.id LIMIT ${rowsPerRead}`,
    )
    this.#selectFiles.setReadBigInts(true)
  }

  /** @throws LongshoreError `data_folder_newer`, `data_damaged`, `data_folder_unusable` */
  static open(file: string): CatalogReader {
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(file, { readOnly: true, timeout: 10_000 })
      const version = Number(db.prepare('PRAGMA user_version').get()?.user_version)
      if (version > schemaVersion) throw newerCatalog(file, version, schemaVersion)
      if (version === 0) throw noCatalogYet(file)
      return new CatalogReader(file, db)
    } catch (error) {
      db?.close()
      throw existsSync(file) ? catalogError(file, error) : noCatalogYet(file)
    }
  }

  /**
   * Checks that the catalog itself can be read throughout, and notes what it says of every segment at
   * this moment, for {@link segmentsFrom}. Kept in a file without a name in the folder for temporary
   * files, since there may be a million segments.
   *
   * @throws LongshoreError `data_damaged`
   */
  check(): void {
    this.#reading(() => {
      const { quick_check: found } = this.#db.prepare('PRAGMA quick_check(1)').get() as {
        readonly quick_check: string
      }
      if (found !== 'ok') throw damagedCatalog(this.#file, found)
      this.#db.exec(`
        PRAGMA temp_store = FILE;
        BEGIN;
        CREATE TEMP TABLE pass (id INTEGER PRIMARY KEY, end INTEGER NOT NULL, files INTEGER NOT NULL);
        INSERT INTO temp.pass SELECT id, sum(end), sum(files) FROM (
            SELECT id, end, 0 AS files FROM segments
            UNION ALL
            SELECT segment AS id, 0 AS end, count(*) AS files
            FROM files JOIN messages ON messages.id = files.message
              JOIN folders ON folders.id = files.folder JOIN machines ON machines.id = folders.machine
              JOIN labels ON labels.id = files.labels
            GROUP BY segment
          ) GROUP BY id;
        CREATE TEMP TABLE dangling AS SELECT (SELECT count(*) FROM files)
          - (SELECT coalesce(sum(files), 0) FROM temp.pass) AS files;
        COMMIT;`)
      const dangling = Number(this.#db.prepare('SELECT files FROM temp.dangling').get()?.files)
      if (dangling !== 0) {
        throw damagedCatalog(this.#file, `${dangling} of its files belong to nothing`)
      }
    })
  }

  /** The segments as of {@link check}, in order. */
  *segmentsFrom(segmentId: number): Iterable<SegmentRows> {
    const select = this.#db.prepare(
      'SELECT id AS segmentId, end, files FROM temp.pass WHERE id >= ? ORDER BY id LIMIT 1',
    )
    for (let from = segmentId; ; ) {
      const row = select.get(from) as SegmentRows | undefined
      if (row === undefined) return
      yield row
      from = row.segmentId + 1
    }
  }

  /** How much there is to read, as of {@link check}. */
  bytesFrom(segmentId: number): number {
    const sum = this.#db.prepare('SELECT sum(end) AS bytes FROM temp.pass WHERE id >= ?')
    return Number(sum.get(segmentId)?.bytes ?? 0)
  }

  /** Where the catalog says that this file stands; undefined when it does not know it. */
  placeOf(machine: string, { file, digest }: FileEntry): Placement | undefined {
    return this.#reading(
      () =>
        this.#selectPlace.get(
          machine,
          Buffer.from(parentOf(file.path), 'latin1'),
          Buffer.from(nameOf(file.path), 'latin1'),
          file.mtimeNs,
          file.sizeBytes,
          Buffer.from(digest, 'hex'),
        ) as Placement | undefined,
    )
  }

  /** The files that point into a segment. Reads the whole table: for segments that have a fault. */
  *filesIn(segmentId: number): Iterable<StoredFile> {
    for (let after = 0n; ; ) {
      const rows = this.#reading(() =>
        this.#selectFiles.all(after, segmentId),
      ) as unknown as (FileRow & {
        readonly id: bigint
      })[]
      for (const row of rows) yield storedFile(row)
      if (rows.length < rowsPerRead) return
      after = rows.at(-1)!.id
    }
  }

  counts(): { readonly messages: number; readonly files: number } {
    return this.#reading(() => {
      const row = this.#db
        .prepare(
          'SELECT (SELECT count(*) FROM messages) AS messages, (SELECT count(*) FROM files) AS files',
        )
        .get()
      return { messages: Number(row?.messages), files: Number(row?.files) }
    })
  }

  segmentEnds(): ReadonlyMap<number, number> {
    const rows = this.#reading(() => this.#db.prepare('SELECT id, end FROM segments').all())
    return new Map(rows.map((row) => [Number(row.id), Number(row.end)]))
  }

  close(): void {
    this.#db.close()
  }

  #reading<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      throw catalogError(this.#file, error)
    }
  }
}

function damagedCatalog(file: string, why: string): LongshoreError {
  return new LongshoreError('data_damaged', `the catalog ${file} is damaged: ${why}`, {
    hint: 'The segments hold everything: stop the receiver and run longshore receiver rebuild.',
  })
}
