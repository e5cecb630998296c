import { readFile } from 'node:fs/promises'
import { errnoOf } from '../../base/errors.ts'
import { FileOwnSegment } from './file-own-segment.ts'
import { segmentMagic } from './record.ts'
import { SegmentFolder } from './segment-folder.ts'
import type {
  OwnSegment,
  Placement,
  SegmentInfo,
  SegmentStore,
  UnfinishedSegment,
} from './segment-store.ts'
import { nodeFs, type StoreFile, type StoreFs } from './store-fs.ts'
import { takeOverUnfinished } from './unfinished-segments.ts'
import { rewrite, writeAll } from './write-all.ts'

export interface FolderSegmentStoreOptions {
  /** The highest id that the catalog knows: the id of a segment that is gone is never given again. */
  readonly lastUsedId?: number
  /** A shared segment of this size gets no more records. */
  readonly rotateAfterBytes?: number
  /**
   * True for the receiver, which goes on with unfinished segments and removes what cannot be gone on
   * with. Everybody else only reads.
   */
  readonly takeOver?: boolean
  /** Says whether the computer has been started anew. @default the kernel's */
  readonly bootId?: () => Promise<string>
  readonly fs?: StoreFs
}

const defaults = {
  lastUsedId: 0,
  rotateAfterBytes: 256 * 1024 * 1024,
  takeOver: false,
  bootId: kernelBootId,
  fs: nodeFs,
} as const satisfies FolderSegmentStoreOptions

/** The shared segment that records are appended to. */
interface SharedSegment {
  readonly segmentId: number
  readonly file: StoreFile
  end: number
}

/**
 * Segments as files of one folder. A segment that this process did not open is never appended to: what
 * the kernel still holds of it from before a crash is not known to be on the disk.
 */
export class FolderSegmentStore implements SegmentStore {
  readonly #folder: SegmentFolder
  readonly #options: Required<FolderSegmentStoreOptions>
  readonly unfinished: readonly UnfinishedSegment[]
  #nextId: number
  #shared: SharedSegment | undefined
  /** The file that `read` used last: listings and exports read one segment many times in a row. */
  #reading: { readonly segmentId: number; readonly file: StoreFile } | undefined

  private constructor(
    folder: SegmentFolder,
    options: Required<FolderSegmentStoreOptions>,
    unfinished: readonly UnfinishedSegment[],
    nextId: number,
  ) {
    this.#folder = folder
    this.#options = options
    this.unfinished = unfinished
    this.#nextId = nextId
  }

  static async open(
    path: string,
    options: FolderSegmentStoreOptions = {},
  ): Promise<FolderSegmentStore> {
    const all = { ...defaults, ...options }
    await all.fs.mkdir(path, { recursive: true, mode: 0o700 })
    const folder = new SegmentFolder(path, all.fs)
    const unfinished = all.takeOver ? await takeOverUnfinished(folder, await all.bootId()) : []
    const lastId = Math.max(0, ...(await folder.ids('seg')), ...(await folder.ids('part')))
    const nextId = Math.max(lastId, all.lastUsedId) + 1
    return new FolderSegmentStore(folder, all, unfinished, nextId)
  }

  async appendDurably(records: readonly (readonly Buffer[])[]): Promise<readonly Placement[]> {
    if (this.#shared !== undefined && this.#shared.end >= this.#options.rotateAfterBytes) {
      await this.#seal()
    }
    this.#shared ??= await this.#startShared()
    const shared = this.#shared
    const placements: Placement[] = []
    const pieces: Buffer[] = []
    let end = shared.end
    for (const record of records) {
      placements.push({ segmentId: shared.segmentId, offset: end })
      for (const piece of record) {
        pieces.push(piece)
        end += piece.length
      }
    }
    try {
      await writeAll(shared.file, pieces, shared.end)
      await shared.file.datasync()
      await this.#mustBeThere(shared.segmentId, end)
    } catch (error) {
      await this.#giveUp(shared)
      throw error
    }
    shared.end = end
    return placements
  }

  async startOwnSegment(): Promise<OwnSegment> {
    return FileOwnSegment.start(this.#ownSegment(this.#nextId++, 0))
  }

  async reopenOwnSegment({ segmentId, sizeBytes }: UnfinishedSegment): Promise<OwnSegment> {
    return FileOwnSegment.reopen(this.#ownSegment(segmentId, sizeBytes))
  }

  #ownSegment(segmentId: number, sizeBytes: number) {
    const paths = {
      part: this.#folder.pathOf(segmentId, 'part'),
      offset: this.#folder.pathOf(segmentId, 'offset'),
      finished: this.#folder.pathOf(segmentId, 'seg'),
    }
    const { fs } = this.#folder
    return { segmentId, sizeBytes, paths, fs, syncFolder: () => this.#folder.sync() }
  }

  async list(): Promise<readonly SegmentInfo[]> {
    const segments: SegmentInfo[] = []
    for (const segmentId of await this.#folder.ids('seg')) {
      try {
        segments.push({
          segmentId,
          sizeBytes: (await this.#folder.fs.stat(this.#folder.pathOf(segmentId, 'seg'))).size,
        })
      } catch (error) {
        // A large upload that brought nothing new was discarded since the folder was read.
        if (errnoOf(error) !== 'ENOENT') throw error
      }
    }
    return segments
  }

  async read(segmentId: number, offset: number, sizeBytes: number): Promise<Buffer> {
    if (this.#reading?.segmentId !== segmentId) {
      await this.#reading?.file.close()
      this.#reading = undefined
      this.#reading = { segmentId, file: await this.#openFinished(segmentId, 'r') }
    }
    const buffer = Buffer.allocUnsafe(sizeBytes)
    let filled = 0
    while (filled < sizeBytes) {
      const { bytesRead } = await this.#reading.file.read(
        buffer,
        filled,
        sizeBytes - filled,
        offset + filled,
      )
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  }

  async sync(segmentId: number, fromByte: number): Promise<void> {
    await using file = await this.#openFinished(segmentId, 'r+')
    await rewrite(file, fromByte)
    await file.sync()
    await this.#folder.sync()
  }

  async truncate(segmentId: number, sizeBytes: number): Promise<void> {
    await using file = await this.#openFinished(segmentId, 'r+')
    await file.truncate(sizeBytes)
    await file.sync()
  }

  async remove(segmentId: number): Promise<void> {
    await this.#folder.fs.unlink(this.#folder.pathOf(segmentId, 'seg'))
    await this.#folder.sync()
  }

  async close(): Promise<void> {
    await this.#seal()
    await this.#reading?.file.close()
    this.#reading = undefined
  }

  #openFinished(segmentId: number, flags: string): Promise<StoreFile> {
    return this.#folder.fs.open(this.#folder.pathOf(segmentId, 'seg'), flags)
  }

  async #startShared(): Promise<SharedSegment> {
    const segmentId = this.#nextId++
    const path = this.#folder.pathOf(segmentId, 'seg')
    const file = await this.#folder.fs.open(path, 'wx', 0o600)
    try {
      await writeAll(file, [segmentMagic], 0)
      await file.datasync()
      await this.#folder.sync()
    } catch (error) {
      await file.close().catch(ignoreSecondFailure)
      await this.#folder.fs.unlink(path).catch(ignoreSecondFailure)
      throw error
    }
    return { segmentId, file, end: segmentMagic.length }
  }

  /**
   * After a failed write or sync the kernel may have dropped pages that it reports as clean: the
   * segment is never written or synced again. What was refused is taken out of it, so that the next
   * start does not find it in the page cache and take it for durable.
   */
  async #giveUp({ file, end }: SharedSegment): Promise<void> {
    this.#shared = undefined
    await file.truncate(end).catch(ignoreSecondFailure)
    await file.close().catch(ignoreSecondFailure)
  }

  /**
   * A file takes bytes also when its name is gone, because somebody has removed the folder, or moved or
   * mounted something in its place: nobody would find them again.
   */
  async #mustBeThere(segmentId: number, sizeBytes: number): Promise<void> {
    const path = this.#folder.pathOf(segmentId, 'seg')
    const { size } = await this.#options.fs.stat(path)
    if (size !== sizeBytes) throw new Error(`another file has taken the place of ${path}`)
  }

  async #seal(): Promise<void> {
    const shared = this.#shared
    this.#shared = undefined
    await shared?.file.close()
  }
}

/** What went wrong first is thrown; this is only tidying up after it. */
function ignoreSecondFailure(): void {}

/** Changes with every start of the kernel: until then its page cache holds whatever was written. */
async function kernelBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}
