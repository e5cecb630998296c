import { existsSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { nameOf, parentOf } from '../../base/byte-path.ts'
import { blake3, type Digest } from '../../base/hash.ts'
import type { FileLabels, ManifestFile } from '../../wire/manifest.ts'
import type { Catalog, FileEntry, MessageEntry, StoredFile } from './catalog.ts'
import { catalogError, newerCatalog, noCatalogYet } from './catalog-errors.ts'
import { migrations, schema, schemaVersion } from './catalog-schema.ts'
import { type FileRow, storedFile } from './file-row.ts'
import { IdTable, rememberedIds } from './id-table.ts'
import { type LabelsRow, labelsToRow } from './labels-row.ts'
import type { Placement } from './segment-store.ts'

/** The catalog of an embedded receiver. */
export class SqliteCatalog implements Catalog {
  readonly #file: string
  readonly #db: DatabaseSync
  readonly #insertFile: StatementSync
  readonly #insertMessage: StatementSync
  readonly #deleteMessage: StatementSync
  readonly #insertLabels: StatementSync
  readonly #setSegmentEnd: StatementSync
  readonly #selectFile: StatementSync
  readonly #selectMessages: StatementSync
  readonly #machineIds: IdTable
  readonly #folderIds: IdTable
  readonly #labelIds = new Map<string, number | bigint>()
  /** Messages of one device usually share label objects: spares encoding them again. */
  #labelKeys = new WeakMap<FileLabels, string>()

  private constructor(file: string, db: DatabaseSync) {
    this.#file = file
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
    this.#selectMessages = db.prepare('SELECT segment, offset FROM messages WHERE upload_id = ?')
    this.#deleteMessage = db.prepare('DELETE FROM messages WHERE id = ?')
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

  /** @throws LongshoreError `data_folder_newer`, `data_damaged`, `data_folder_unusable` */
  static open(file: string, options: { readonly readOnly: boolean }): SqliteCatalog {
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(file, { readOnly: options.readOnly, timeout: 10_000 })
      const { user_version: version } = db.prepare('PRAGMA user_version').get() as {
        user_version: number
      }
      if (version > schemaVersion) {
        throw newerCatalog(file, version, schemaVersion)
      }
      if (version === 0 && options.readOnly) throw noCatalogYet(file)
      if (!options.readOnly) {
        // FULL: a commit is on stable storage when it returns, which invariant 2 needs.
        db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF')
        if (version === 0) db.exec(`BEGIN; ${schema} COMMIT`)
        for (let from = version; from > 0 && from < schemaVersion; from += 1) {
          db.exec(`BEGIN; ${migrations.get(from)} COMMIT`)
        }
      }
      return new SqliteCatalog(file, db)
    } catch (error) {
      db?.close()
      if (options.readOnly && !existsSync(file)) throw noCatalogYet(file)
      throw catalogError(file, error)
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
    if (files.length === 0) {
      this.#setSegmentEnd.run(message.segmentId, message.recordEnd)
      return []
    }
    const { lastInsertRowid: messageId } = this.#insertMessage.run(
      Buffer.from(message.uploadId, 'hex'),
      message.segmentId,
      message.recordOffset,
      message.receivedAtMs,
    )
    const isNew = files.map(({ file, digest, offset }) => {
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
    // Nothing refers to a message that brought nothing new, and its segment may be removed.
    if (isNew.includes(true)) this.#setSegmentEnd.run(message.segmentId, message.recordEnd)
    else this.#deleteMessage.run(messageId)
    return isNew
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

  async findMessages(uploadId: Digest): Promise<readonly Placement[]> {
    const rows = this.#selectMessages.all(Buffer.from(uploadId, 'hex'))
    return rows.map(({ segment, offset }) => ({
      segmentId: Number(segment),
      offset: Number(offset),
    }))
  }

  get complete(): boolean {
    return this.#reading(() => this.#db.prepare('SELECT complete FROM state').get()?.complete === 1)
  }

  async markComplete(): Promise<void> {
    this.#db.exec('UPDATE state SET complete = 1')
  }

  segmentEnds(): ReadonlyMap<number, number> {
    const rows = this.#reading(() => this.#db.prepare('SELECT id, end FROM segments').all())
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
       ORDER BY machines.name, folders.path, files.name, mtime_ns, received_at_ms, files.id`,
    )
    statement.setReadBigInts(true)
    const rows = statement.iterate(machine ?? null)
    try {
      while (true) {
        const file = this.#reading(() => {
          const { done, value } = rows.next()
          return done ? undefined : storedFile(value as unknown as FileRow)
        })
        if (file === undefined) return
        yield file
      }
    } finally {
      rows.return?.()
    }
  }

  /** @throws LongshoreError `data_damaged`, `data_folder_unusable` */
  #reading<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      throw catalogError(this.#file, error)
    }
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close()
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
