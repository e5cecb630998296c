import { type FileHandle, mkdir, open, readdir, stat, truncate, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import { FileOwnSegment } from './file-own-segment.ts'
import { segmentMagic } from './record.ts'
import type { OwnSegment, Placement, SegmentInfo, SegmentStore } from './segment-store.ts'
import { writeAll } from './write-all.ts'

const fileNamePattern = /^(\d{12})\.seg$/

export interface FolderSegmentStoreOptions {
  /** The highest id that the catalog knows: the id of a segment that is gone is never given again. */
  readonly lastUsedId?: number
  /** A shared segment of this size gets no more records. */
  readonly rotateAfterBytes?: number
  /** Opens the files that are written to. Tests put failing ones in its place. */
  readonly openFile?: (path: string, flags: 'wx', mode: number) => Promise<FileHandle>
}

const defaults = {
  lastUsedId: 0,
  rotateAfterBytes: 256 * 1024 * 1024,
  openFile: open,
} as const satisfies FolderSegmentStoreOptions

/** The shared segment that records are appended to. */
interface SharedSegment {
  readonly segmentId: number
  readonly file: FileHandle
  end: number
}

/**
 * Segments as files of one folder. A segment that this process did not open is never appended to: what
 * the kernel still holds of it from before a crash is not known to be on the disk.
 */
export class FolderSegmentStore implements SegmentStore {
  readonly #folder: string
  readonly #options: Required<FolderSegmentStoreOptions>
  #nextId: number
  #shared: SharedSegment | undefined
  /** The file that `read` used last: listings and exports read one segment many times in a row. */
  #reading: { readonly segmentId: number; readonly file: FileHandle } | undefined

  private constructor(
    folder: string,
    options: Required<FolderSegmentStoreOptions>,
    nextId: number,
  ) {
    this.#folder = folder
    this.#options = options
    this.#nextId = nextId
  }

  static async open(
    folder: string,
    options: FolderSegmentStoreOptions = {},
  ): Promise<FolderSegmentStore> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const all = { ...defaults, ...options }
    const lastId = (await segmentIdsIn(folder)).at(-1) ?? 0
    return new FolderSegmentStore(folder, all, Math.max(lastId, all.lastUsedId) + 1)
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
    } catch (error) {
      await this.#giveUp(shared)
      throw error
    }
    shared.end = end
    return placements
  }

  async startOwnSegment(): Promise<OwnSegment> {
    const segmentId = this.#nextId++
    const path = this.#pathOf(segmentId)
    const file = await this.#options.openFile(path, 'wx', 0o600)
    return new FileOwnSegment(segmentId, path, file, () => this.#syncFolder())
  }

  async list(): Promise<readonly SegmentInfo[]> {
    const segments: SegmentInfo[] = []
    for (const segmentId of await segmentIdsIn(this.#folder)) {
      try {
        segments.push({ segmentId, sizeBytes: (await stat(this.#pathOf(segmentId))).size })
      } catch (error) {
        // A large upload that broke off was discarded since the folder was read.
        if (errnoOf(error) !== 'ENOENT') throw error
      }
    }
    return segments
  }

  async read(segmentId: number, offset: number, sizeBytes: number): Promise<Buffer> {
    if (this.#reading?.segmentId !== segmentId) {
      await this.#reading?.file.close()
      this.#reading = undefined
      this.#reading = { segmentId, file: await open(this.#pathOf(segmentId), 'r') }
    }
    const buffer = Buffer.allocUnsafe(sizeBytes)
    let filled = 0
    while (filled < sizeBytes) {
      const { bytesRead } = await this.#reading.file.read(buffer, {
        offset: filled,
        position: offset + filled,
      })
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  }

  async sync(segmentId: number): Promise<void> {
    const file = await open(this.#pathOf(segmentId), 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#syncFolder()
  }

  async truncate(segmentId: number, sizeBytes: number): Promise<void> {
    await truncate(this.#pathOf(segmentId), sizeBytes)
    await this.sync(segmentId)
  }

  async remove(segmentId: number): Promise<void> {
    await unlink(this.#pathOf(segmentId))
    await this.#syncFolder()
  }

  async close(): Promise<void> {
    await this.#seal()
    await this.#reading?.file.close()
    this.#reading = undefined
  }

  async #startShared(): Promise<SharedSegment> {
    const segmentId = this.#nextId++
    const path = this.#pathOf(segmentId)
    const file = await this.#options.openFile(path, 'wx', 0o600)
    try {
      await writeAll(file, [segmentMagic], 0)
      await file.datasync()
      await this.#syncFolder()
    } catch (error) {
      await file.close().catch(ignoreSecondFailure)
      await unlink(path).catch(ignoreSecondFailure)
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

  async #seal(): Promise<void> {
    const shared = this.#shared
    this.#shared = undefined
    await shared?.file.close()
  }

  async #syncFolder(): Promise<void> {
    const folder = await open(this.#folder, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }

  #pathOf(segmentId: number): string {
    return join(this.#folder, `${String(segmentId).padStart(12, '0')}.seg`)
  }
}

async function segmentIdsIn(folder: string): Promise<number[]> {
  const ids: number[] = []
  for (const name of await readdir(folder)) {
    const match = fileNamePattern.exec(name)
    if (match !== null) ids.push(Number(match[1]))
  }
  return ids.sort((a, b) => a - b)
}

/** What went wrong first is thrown; this is only tidying up after it. */
function ignoreSecondFailure(): void {}
