import { join } from 'node:path'
import { nodeFs, type StoreFs } from './store-fs.ts'

/**
 * `seg`: finished. `part`: a large upload that is not complete yet. `offset`: how much of that a power
 * cut leaves.
 */
export type SegmentFileKind = 'seg' | 'part' | 'offset'

const namePattern = /^(\d{12})\.(seg|part|offset)$/

/** The names in a folder of segments. */
export class SegmentFolder {
  readonly path: string
  readonly fs: StoreFs

  constructor(path: string, fs: StoreFs = nodeFs) {
    this.path = path
    this.fs = fs
  }

  pathOf(segmentId: number, kind: SegmentFileKind): string {
    return join(this.path, `${String(segmentId).padStart(12, '0')}.${kind}`)
  }

  /** Of the files of one kind, in order. */
  async ids(kind: SegmentFileKind): Promise<number[]> {
    const ids: number[] = []
    for (const name of await this.fs.readdir(this.path)) {
      const match = namePattern.exec(name)
      if (match?.[2] === kind) ids.push(Number(match[1]))
    }
    return ids.sort((a, b) => a - b)
  }

  /** Has the names survive a power cut. */
  async sync(): Promise<void> {
    await using folder = await this.fs.open(this.path, 'r')
    await folder.sync()
  }
}
