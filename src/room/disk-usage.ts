import { statfsSync } from 'node:fs'
import { type BytePath, fsPath } from '../base/byte-path.ts'

/** How full a file system is, as `df` tells it. */
export interface DiskUsage {
  readonly sizeBytes: number
  readonly usedBytes: number
  /** What is left for everybody: without the blocks that are kept for root. */
  readonly availableBytes: number
}

/** The usage of the file system that the folder is on. Throws the system's error. */
export function diskUsageOf(folder: BytePath): DiskUsage {
  const { bsize, blocks, bfree, bavail } = statfsSync(fsPath(folder))
  return {
    sizeBytes: blocks * bsize,
    usedBytes: (blocks - bfree) * bsize,
    availableBytes: bavail * bsize,
  }
}

/** `Use%` of `df`, as a fraction: 1 when there is nothing left for programs that are not root's. */
export function usedFraction({ usedBytes, availableBytes }: DiskUsage): number {
  return usedBytes / (usedBytes + availableBytes)
}

/**
 * How much must go until less than `threshold` of the file system is used: 0 when that is so. Whatever
 * makes no sense, of the system or of the threshold, is 0 too, since somebody removes files by this.
 */
export function bytesToFree(usage: DiskUsage, threshold: number): number {
  if (!(usedFraction(usage) >= threshold)) return 0
  const { usedBytes, availableBytes } = usage
  return Math.max(1, Math.floor(usedBytes - threshold * (usedBytes + availableBytes)) + 1)
}
