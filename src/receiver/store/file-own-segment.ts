import { constants } from 'node:fs'
import { errnoOf, messageOf } from '../../base/errors.ts'
import { writeRecordedOffset } from './recorded-offset.ts'
import { NotRecordedError, type OwnSegment } from './segment-store.ts'
import type { StoreFile, StoreFs } from './store-fs.ts'
import { writeAll } from './write-all.ts'

/** The names that an own segment goes by. */
export interface OwnSegmentPaths {
  /** Until it is finished: no listing, recovery or backup looks at it. */
  readonly part: string
  /** How much of it a power cut leaves. */
  readonly offset: string
  readonly finished: string
}

export interface FileOwnSegmentOptions {
  readonly segmentId: number
  readonly paths: OwnSegmentPaths
  /** How much of it is there already. */
  readonly sizeBytes: number
  readonly fs: StoreFs
  readonly syncFolder: () => Promise<void>
}

/** What an earlier process recorded stays until something newer is on the disk. */
export const offsetFlags: number = constants.O_RDWR | constants.O_CREAT

/** A segment of its own as a file. */
export class FileOwnSegment implements OwnSegment {
  readonly #options: FileOwnSegmentOptions
  #file: Promise<StoreFile> | undefined
  #sizeBytes: number
  /** Undefined until a checkpoint was made. */
  #offsetFile: StoreFile | undefined
  #finished = false

  private constructor(options: FileOwnSegmentOptions, file: StoreFile | undefined) {
    this.#options = options
    this.#file = file === undefined ? undefined : Promise.resolve(file)
    this.#sizeBytes = options.sizeBytes
  }

  static async start(options: FileOwnSegmentOptions): Promise<FileOwnSegment> {
    const file = await options.fs.open(options.paths.part, 'wx+', 0o600)
    return new FileOwnSegment(options, file)
  }

  /** One that is there already. It is opened when it is needed. */
  static reopen(options: FileOwnSegmentOptions): FileOwnSegment {
    return new FileOwnSegment(options, undefined)
  }

  get segmentId(): number {
    return this.#options.segmentId
  }

  get path(): string {
    return this.#options.paths.part
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    this.#sizeBytes += await writeAll(await this.#opened(), pieces, this.#sizeBytes)
  }

  async overwriteStart(bytes: Buffer): Promise<void> {
    await writeAll(await this.#opened(), [bytes], 0)
  }

  async cutTo(sizeBytes: number): Promise<void> {
    await (await this.#opened()).truncate(sizeBytes)
    this.#sizeBytes = sizeBytes
  }

  async readStart(sizeBytes: number): Promise<Buffer> {
    const buffer = Buffer.alloc(Math.min(sizeBytes, this.#sizeBytes))
    const { bytesRead } = await (await this.#opened()).read(buffer, 0, buffer.length, 0)
    return buffer.subarray(0, bytesRead)
  }

  async checkpoint(): Promise<void> {
    const sizeBytes = this.#sizeBytes
    const file = await this.#opened()
    await file.datasync()
    const isFirst = this.#offsetFile === undefined
    try {
      await this.#record(sizeBytes)
    } catch (error) {
      if (!isPassing(error)) throw error
      throw new NotRecordedError(`could not note how far a segment is: ${messageOf(error)}`)
    }
    // Neither file's name is on stable storage before that of its folder's entry is.
    if (isFirst) await this.#options.syncFolder()
  }

  async #record(sizeBytes: number): Promise<void> {
    const { fs, paths } = this.#options
    this.#offsetFile ??= await fs.open(paths.offset, offsetFlags, 0o600)
    await writeRecordedOffset(this.#offsetFile, sizeBytes)
  }

  async finish(): Promise<void> {
    const { part, offset, finished } = this.#options.paths
    await (await this.#opened()).datasync()
    await this.release()
    await this.#options.fs.rename(part, finished)
    this.#finished = true
    await this.#options.syncFolder()
    await this.#unlinkIfThere(offset)
  }

  async release(): Promise<void> {
    const [file, offsetFile] = [this.#file, this.#offsetFile]
    this.#file = undefined
    this.#offsetFile = undefined
    await (await file)?.close()
    await offsetFile?.close()
  }

  async discard(): Promise<void> {
    const { part, offset, finished } = this.#options.paths
    try {
      await this.release()
    } finally {
      await this.#unlinkIfThere(offset)
      await this.#unlinkIfThere(this.#finished ? finished : part)
    }
  }

  #opened(): Promise<StoreFile> {
    const { fs, paths } = this.#options
    this.#file ??= fs.open(paths.part, constants.O_RDWR, 0o600)
    return this.#file
  }

  async #unlinkIfThere(path: string): Promise<void> {
    try {
      await this.#options.fs.unlink(path)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
  }
}

/** No room on the disk, or no descriptor left: no fault of what has been written. */
function isPassing(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM'].includes(errnoOf(error) ?? '')
}
