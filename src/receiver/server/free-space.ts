import { statfs } from 'node:fs/promises'
import type { Clock } from '../../base/clock.ts'

export interface FreeSpaceOptions {
  readonly folder: string
  /** Share of the file system that stays free, 0 to 1. */
  readonly minFreeShare: number
  readonly clock: Clock
}

export interface SpaceFigures {
  readonly freeBytes: number
  readonly totalBytes: number
}

const refreshAfterMs = 1000

/**
 * Keeps uploads from filling the receiver's disk. Uploads under way count with what they announced,
 * since many of them start before the first has written anything.
 */
export class FreeSpace {
  readonly #options: FreeSpaceOptions
  #figures: SpaceFigures = { freeBytes: 0, totalBytes: 0 }
  #takenAtMs = Number.NEGATIVE_INFINITY
  #announcedBytes = 0

  constructor(options: FreeSpaceOptions) {
    this.#options = options
  }

  async figures(): Promise<SpaceFigures> {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#takenAtMs >= refreshAfterMs) {
      const { bavail, blocks, bsize } = await statfs(this.#options.folder)
      this.#figures = { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
      this.#takenAtMs = nowMs
    }
    return this.#figures
  }

  /**
   * True when there is room; the caller then calls `leave` with the same size, in one or more parts:
   * when it is written, or when it will not be.
   */
  async enter(sizeBytes: number): Promise<boolean> {
    if (sizeBytes === 0) return true
    const figures = await this.figures()
    const fits = hasRoom(figures, this.#options.minFreeShare, this.#announcedBytes + sizeBytes)
    if (fits) this.#announcedBytes += sizeBytes
    return fits
  }

  leave(sizeBytes: number): void {
    this.#announcedBytes -= sizeBytes
  }
}

export function hasRoom(figures: SpaceFigures, minFreeShare: number, wantedBytes: number): boolean {
  return figures.freeBytes - wantedBytes >= figures.totalBytes * minFreeShare
}
