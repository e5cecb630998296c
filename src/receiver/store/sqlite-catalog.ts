import { DatabaseSync, type StatementSync } from 'node:sqlite'
import {
  type BytePath,
  bytePathFromBytes,
  joinPath,
  nameOf,
  parentOf,
} from '../../base/byte-path.ts'
import { LongshoreError } from '../../base/errors.ts'
import { blake3 } from '../../base/hash.ts'
import type { FileLabels, ManifestFile } from '../../wire/manifest.ts'
import type { Catalog, FileEntry, MessageEntry, StoredFile } from './catalog.ts'
import { type LabelsRow, labelsFromRow, labelsToRow } from './labels-row.ts'

/** Kept in `PRAGMA user_version`. */
const schemaVersion = 1

const schema = `
  CREATE TABLE segments (id INTEGER PRIMARY KEY, end INTEGER NOT NULL) STRICT;
  CREATE TABLE machines (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE folders (
    id INTEGER PRIMARY KEY,
    machine INTEGER NOT NULL REFERENCES machines,
    path BLOB NOT NULL,
    UNIQUE (machine, path)
  ) STRICT;
  CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    root BLOB NOT NULL,
    content_type TEXT NOT NULL,
    tags TEXT NOT NULL,
    dataset_ids TEXT NOT NULL,
    coding TEXT NOT NULL,
    capture TEXT
  ) STRICT;
  CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    upload_id BLOB NOT NULL,
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL REFERENCES folders,
    name BLOB NOT NULL,
    mtime_ns INTEGER NOT NULL,
    size INTEGER NOT NULL,
    blake3 BLOB NOT NULL,
    ctime_ns INTEGER NOT NULL,
    labels INTEGER NOT NULL REFERENCES labels,
    message INTEGER NOT NULL REFERENCES messages,
    offset INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX files_identity ON files (folder, name, mtime_ns, size, blake3);
  CREATE TABLE state (complete INTEGER NOT NULL) STRICT;
  INSERT INTO state VALUES (0);
  PRAGMA user_version = ${schemaVersion};
`

/** Ids of folders and labels are remembered up to this many, then forgotten all at once. */
const rememberedIds = 50_000

/** The catalog of an embedded receiver. */
export class SqliteCatalog implements Catalog {
  readonly #db: DatabaseSync
  readonly #insertFile: StatementSync
  readonly #insertMessage: StatementSync
  readonly #insertLabels: StatementSync
  readonly #setSegmentEnd: StatementSync
  readonly #selectFile: StatementSync
  readonly #machineIds: IdTable
  readonly #folderIds: IdTable
  readonly #labelIds = new Map<string, number | bigint>()
  /** Messages of one device usually share label objects: spares encoding them again. */
  #labelKeys = new WeakMap<FileLabels, string>()

  private constructor(db: DatabaseSync) {
    this.#db = db
    this.#insertFile = db.prepare(
      `INSERT INTO files (folder, name, mtime_ns, size, blake3, ctime_ns, labels, message, offset)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    )
    this.#selectFile = db.prepare(
      `SELECT 1 FROM files
       WHERE folder = ? AND name = ? AND mtime_ns = ? AND size = ? AND blake3 = ?`,
    )
    this.#insertMessage = db.prepare(
      'INSERT INTO messages (upload_id, segment, offset, received_at_ms) VALUES (?, ?, ?, ?)',
    )
    this.#insertLabels = db.prepare(
      `INSERT INTO labels (key, root, content_type, tags, dataset_ids, coding, capture)
       VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET key = excluded.key
       RETURNING id`,
    )
    this.#setSegmentEnd = db.prepare(
      `INSERT INTO segments (id, end) VALUES (?, ?)
       ON CONFLICT (id) DO UPDATE SET end = max(end, excluded.end)`,
    )
    this.#machineIds = new IdTable(
      db.prepare('SELECT id FROM machines WHERE name = ?'),
      db.prepare('INSERT INTO machines (name) VALUES (?) RETURNING id'),
    )
    this.#folderIds = new IdTable(
      db.prepare('SELECT id FROM folders WHERE machine = ? AND path = ?'),
      db.prepare('INSERT INTO folders (machine, path) VALUES (?, ?) RETURNING id'),
    )
  }

  /** @throws LongshoreError `data_folder_newer`, `data_damaged` */
  static open(file: string, options: { readonly readOnly: boolean }): SqliteCatalog {
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(file, { readOnly: options.readOnly, timeout: 10_000 })
      const { user_version: version } = db.prepare('PRAGMA user_version').get() as {
        user_version: number
      }
      if (version > schemaVersion) {
        throw new LongshoreError(
          'data_folder_newer',
          `${file} has schema ${version}; this Longshore reads up to ${schemaVersion}`,
          { hint: 'Use the Longshore that wrote it, or a newer one.' },
        )
      }
      if (!options.readOnly) {
        // FULL: a commit is on stable storage when it returns, which invariant 2 needs.
        db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF')
        if (version === 0) db.exec(`BEGIN; ${schema} COMMIT`)
      }
      return new SqliteCatalog(db)
    } catch (error) {
      db?.close()
      if (error instanceof LongshoreError) throw error
      throw new LongshoreError('data_damaged', `cannot read the catalog ${file}: ${error}`, {
        hint: 'The segments hold everything: move catalog.sqlite* away and start the receiver, which makes it anew.',
        cause: error,
      })
    }
  }

  async enter(messages: readonly MessageEntry[]): Promise<boolean[][]> {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      const isNew = messages.map((message) => this.#enterOne(message))
      this.#db.exec('COMMIT')
      return isNew
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      // Ids given out inside the transaction are gone with it.
      this.#forgetIds()
      throw error
    }
  }

  #enterOne(message: MessageEntry): boolean[] {
    const { machine, files } = message
    this.#setSegmentEnd.run(message.segmentId, message.recordEnd)
    if (files.length === 0) return []
    const { lastInsertRowid: messageId } = this.#insertMessage.run(
      Buffer.from(message.uploadId, 'hex'),
      message.segmentId,
      message.recordOffset,
      message.receivedAtMs,
    )
    return files.map(({ file, digest, offset }) => {
      const { changes } = this.#insertFile.run(
        this.#folderId(machine, file, true)!,
        Buffer.from(nameOf(file.path), 'latin1'),
        file.mtimeNs,
        file.sizeBytes,
        Buffer.from(digest, 'hex'),
        file.ctimeNs,
        this.#labelsId(file.labels),
        messageId,
        offset,
      )
      return changes === 1
    })
  }

  async holdsAll(machine: string, files: readonly Omit<FileEntry, 'offset'>[]): Promise<boolean> {
    return files.every(({ file, digest }) => {
      const folder = this.#folderId(machine, file, false)
      if (folder === undefined) return false
      const name = Buffer.from(nameOf(file.path), 'latin1')
      const blake3Bytes = Buffer.from(digest, 'hex')
      const row = this.#selectFile.get(folder, name, file.mtimeNs, file.sizeBytes, blake3Bytes)
      return row !== undefined
    })
  }

  get complete(): boolean {
    return this.#db.prepare('SELECT complete FROM state').get()?.complete === 1
  }

  async markComplete(): Promise<void> {
    this.#db.exec('UPDATE state SET complete = 1')
  }

  segmentEnds(): ReadonlyMap<number, number> {
    const rows = this.#db.prepare('SELECT id, end FROM segments').all()
    return new Map(rows.map((row) => [Number(row.id), Number(row.end)]))
  }

  *files(machine?: string): Iterable<StoredFile> {
    const statement = this.#db.prepare(
      `SELECT machines.name AS machine, folders.path AS folder, files.name AS name, size, mtime_ns,
         ctime_ns, blake3, received_at_ms, segment, files.offset AS offset, root, content_type, tags,
         dataset_ids, coding, capture
       FROM files JOIN folders ON folders.id = files.folder
         JOIN machines ON machines.id = folders.machine
         JOIN labels ON labels.id = files.labels JOIN messages ON messages.id = files.message
       WHERE ?1 IS NULL OR machines.name = ?1
       ORDER BY machines.name, folders.path, files.name, mtime_ns, files.id`,
    )
    statement.setReadBigInts(true)
    for (const row of statement.iterate(machine ?? null)) {
      yield storedFile(row as unknown as FileRow)
    }
  }

  async close(): Promise<void> {
    this.#db.close()
  }

  #folderId(machine: string, file: ManifestFile, make: boolean): number | bigint | undefined {
    const machineId = this.#machineIds.idOf(machine, [machine], make)
    if (machineId === undefined) return undefined
    const path = parentOf(file.path)
    return this.#folderIds.idOf(
      `${machineId}${path}`,
      () => [machineId, Buffer.from(path, 'latin1')],
      make,
    )
  }

  #labelsId(labels: FileLabels): number | bigint {
    let key = this.#labelKeys.get(labels)
    let row: LabelsRow | undefined
    if (key === undefined) {
      row = labelsToRow(labels)
      // The root as one char per byte: two roots that are not UTF-8 must not fall together.
      const { content_type, tags, dataset_ids, coding, capture } = row
      const parts = [labels.root, content_type, tags, dataset_ids, coding, capture]
      key = blake3(Buffer.from(JSON.stringify(parts), 'utf8'))
      this.#labelKeys.set(labels, key)
    }
    let id = this.#labelIds.get(key)
    if (id === undefined) {
      row ??= labelsToRow(labels)
      const { root, content_type, tags, dataset_ids, coding, capture } = row
      const inserted = this.#insertLabels.get(
        key,
        root,
        content_type,
        tags,
        dataset_ids,
        coding,
        capture,
      ) as { id: number }
      id = inserted.id
      if (this.#labelIds.size >= rememberedIds) this.#labelIds.clear()
      this.#labelIds.set(key, id)
    }
    return id
  }

  #forgetIds(): void {
    this.#labelIds.clear()
    this.#labelKeys = new WeakMap()
    this.#machineIds.forget()
    this.#folderIds.forget()
  }
}

type SqlValue = string | number | bigint | Buffer

/** Rows that are looked up by a key and made when they are missing, with their ids remembered. */
class IdTable {
  readonly #ids = new Map<string, number | bigint>()
  readonly #select: StatementSync
  readonly #insert: StatementSync

  constructor(select: StatementSync, insert: StatementSync) {
    this.#select = select
    this.#insert = insert
  }

  idOf(
    key: string,
    values: SqlValue[] | (() => SqlValue[]),
    make: boolean,
  ): number | bigint | undefined {
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const bound = typeof values === 'function' ? values() : values
    const row = this.#select.get(...bound) ?? (make ? this.#insert.get(...bound) : undefined)
    if (row === undefined) return undefined
    const id = row.id as number | bigint
    if (this.#ids.size >= rememberedIds) this.#ids.clear()
    this.#ids.set(key, id)
    return id
  }

  forget(): void {
    this.#ids.clear()
  }
}

interface FileRow extends LabelsRow {
  machine: string
  folder: Uint8Array
  name: Uint8Array
  size: bigint
  mtime_ns: bigint
  ctime_ns: bigint
  blake3: Uint8Array
  received_at_ms: bigint
  segment: bigint
  offset: bigint
}

function storedFile(row: FileRow): StoredFile {
  return {
    machine: row.machine,
    path: joinPath(bytePathFromBytes(row.folder), bytePathFromBytes(row.name)) as BytePath,
    sizeBytes: Number(row.size),
    mtimeNs: row.mtime_ns,
    ctimeNs: row.ctime_ns,
    digest: Buffer.from(row.blake3).toString('hex'),
    receivedAtMs: Number(row.received_at_ms),
    labels: labelsFromRow(row),
    segmentId: Number(row.segment),
    offset: Number(row.offset),
  }
}
