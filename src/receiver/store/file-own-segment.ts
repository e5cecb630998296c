import { type FileHandle, unlink } from 'node:fs/promises'
import type { OwnSegment } from './segment-store.ts'
import { writeAll } from './write-all.ts'

/** A segment of its own as a file. */
export class FileOwnSegment implements OwnSegment {
  readonly segmentId: number
  readonly #path: string
  readonly #file: FileHandle
  readonly #syncFolder: () => Promise<void>
  #end = 0
  #open = true

  constructor(segmentId: number, path: string, file: FileHandle, syncFolder: () => Promise<void>) {
    this.segmentId = segmentId
    this.#path = path
    this.#file = file
    this.#syncFolder = syncFolder
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    this.#end += await writeAll(this.#file, pieces, this.#end)
  }

  async finish(): Promise<void> {
    await this.#file.datasync()
    await this.#close()
    await this.#syncFolder()
  }

  async discard(): Promise<void> {
    try {
      await this.#close()
    } finally {
      await unlink(this.#path)
    }
  }

  async #close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.#file.close()
  }
}
