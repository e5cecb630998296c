import { constants } from 'node:fs'
import { basename } from 'node:path'
import type { StoreFile, StoreFs } from '../../../src/receiver/store/store-fs.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import type { DiskOperation, ModelledDisk } from './modelled-disk.ts'

export type SyncResult = 'works' | 'fails' | 'does_nothing'

export interface ModelledFsOptions {
  readonly disk: ModelledDisk
  readonly folder: string
  readonly wallMs: () => number
  /** Told of each operation once it has happened. */
  readonly onOperation: (operation: DiskOperation) => void
  /** What the sync of this file (empty: of the folder) comes to; a disk may lie. */
  readonly syncOf?: (name: string) => SyncResult
  /** Has operations take a turn or more of the event loop, so that they overlap. */
  readonly random?: SeededRandom
}

/** The file system of one process over a modelled disk. */
export class ModelledFs implements StoreFs {
  readonly #options: ModelledFsOptions
  #isKilled = false

  constructor(options: ModelledFsOptions) {
    this.#options = options
  }

  /** The process is no more: what it still waits for never comes. */
  kill(): void {
    this.#isKilled = true
  }

  /** Resolves when it is the turn of the next operation; never, once the process is killed. */
  async turn(most = 2): Promise<void> {
    const { random } = this.#options
    const turns = random?.between(0, most) ?? 0
    for (let turn = 0; turn < turns; turn += 1) {
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    if (this.#isKilled) await new Promise<never>(() => {})
  }

  async open(path: string, flags: string | number): Promise<StoreFile> {
    await this.turn()
    if (path === this.#options.folder) return new ModelledFolder(this)
    const { disk } = this.#options
    const name = basename(path)
    const bits = typeof flags === 'number' ? flags : flagBits(flags)
    let fileId = disk.fileIdOf(name)
    if (fileId === undefined) {
      if ((bits & constants.O_CREAT) === 0) throw failure('ENOENT', name)
      fileId = disk.newFileId()
      this.apply({ kind: 'create', name, fileId })
    } else if ((bits & constants.O_EXCL) !== 0) throw failure('EEXIST', name)
    else if ((bits & constants.O_TRUNC) !== 0) {
      this.apply({ kind: 'change', fileId, change: { kind: 'resize', sizeBytes: 0 } })
    }
    return new ModelledHandle(this, fileId, name)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.turn()
    const fileId = this.#fileIdOf(from)
    this.apply({ kind: 'rename', from: basename(from), to: basename(to), fileId })
  }

  async unlink(path: string): Promise<void> {
    await this.turn()
    this.apply({ kind: 'unlink', name: basename(path), fileId: this.#fileIdOf(path) })
  }

  async readdir(): Promise<string[]> {
    await this.turn()
    return [...this.#options.disk.names]
  }

  async stat(path: string): Promise<{ readonly size: number; readonly mtimeMs: number }> {
    return { size: (await this.readFile(path)).length, mtimeMs: this.#options.wallMs() }
  }

  async readFile(path: string): Promise<Buffer> {
    await this.turn()
    return Buffer.from(this.#options.disk.bytesOf(this.#fileIdOf(path)))
  }

  async mkdir(): Promise<void> {}

  apply(operation: DiskOperation): void {
    this.#options.disk.apply(operation)
    this.#options.onOperation(operation)
  }

  bytesOf(fileId: number): Buffer {
    return this.#options.disk.bytesOf(fileId)
  }

  async syncFile(fileId: number, name: string): Promise<void> {
    const upTo = this.#options.disk.seq
    // What is written meanwhile is not in it.
    await this.turn(4)
    const result = this.#options.syncOf?.(name) ?? 'works'
    if (result === 'fails') {
      this.apply({ kind: 'file_sync_failed', fileId, upTo })
      throw failure('EIO', name)
    }
    if (result === 'works') this.apply({ kind: 'file_synced', fileId, upTo })
  }

  async syncNames(): Promise<void> {
    const upTo = this.#options.disk.seq
    await this.turn(4)
    const result = this.#options.syncOf?.('') ?? 'works'
    if (result === 'fails') throw failure('EIO', 'the folder')
    if (result === 'works') this.apply({ kind: 'names_synced', upTo })
  }

  #fileIdOf(path: string): number {
    const fileId = this.#options.disk.fileIdOf(basename(path))
    if (fileId === undefined) throw failure('ENOENT', basename(path))
    return fileId
  }
}

class ModelledHandle implements StoreFile {
  readonly #fs: ModelledFs
  readonly #fileId: number
  readonly #name: string
  #isClosed = false

  constructor(fs: ModelledFs, fileId: number, name: string) {
    this.#fs = fs
    this.#fileId = fileId
    this.#name = name
  }

  async read(buffer: Buffer, offset: number, sizeBytes: number, position: number) {
    await this.#begin()
    const bytes = this.#fs.bytesOf(this.#fileId).subarray(position, position + sizeBytes)
    return { bytesRead: bytes.copy(buffer, offset) }
  }

  write(buffer: Buffer, offset: number, sizeBytes: number, position: number) {
    return this.writev([buffer.subarray(offset, offset + sizeBytes)], position)
  }

  async writev(buffers: readonly Buffer[], position: number) {
    await this.#begin()
    const bytes = Buffer.concat(buffers)
    this.#change({ kind: 'write', at: position, bytes })
    return { bytesWritten: bytes.length }
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#begin()
    this.#change({ kind: 'resize', sizeBytes })
  }

  async datasync(): Promise<void> {
    await this.#begin()
    await this.#fs.syncFile(this.#fileId, this.#name)
  }

  sync(): Promise<void> {
    return this.datasync()
  }

  async close(): Promise<void> {
    await this.#begin()
    this.#isClosed = true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #change(change: Extract<DiskOperation, { kind: 'change' }>['change']): void {
    this.#fs.apply({ kind: 'change', fileId: this.#fileId, change })
  }

  async #begin(): Promise<void> {
    if (this.#isClosed) throw failure('EBADF', this.#name)
    await this.#fs.turn()
  }
}

/** A folder is opened only to be synced. */
class ModelledFolder implements StoreFile {
  readonly #fs: ModelledFs

  constructor(fs: ModelledFs) {
    this.#fs = fs
  }

  sync(): Promise<void> {
    return this.#fs.syncNames()
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  read = notOnAFolder
  write = notOnAFolder
  writev = notOnAFolder
  truncate = notOnAFolder
  datasync = notOnAFolder
}

function notOnAFolder(): Promise<never> {
  return Promise.reject(failure('EISDIR', 'the folder'))
}

function flagBits(flags: string): number {
  const { O_CREAT, O_EXCL, O_TRUNC } = constants
  const bits = {
    r: 0,
    'r+': 0,
    w: O_CREAT | O_TRUNC,
    wx: O_CREAT | O_EXCL,
    'wx+': O_CREAT | O_EXCL,
  }
  if (!(flags in bits)) throw new Error(`the model does not know how to open with ${flags}`)
  return bits[flags as keyof typeof bits]
}

function failure(code: string, name: string): Error {
  return Object.assign(new Error(`${code}: ${name}`), { code })
}
