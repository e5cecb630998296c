import { randomFillSync } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  statfsSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import type { TempFolder } from './temp-folder.ts'

const blockBytes = 16 * 1024 * 1024
const ageSeconds = 3600

/** One large file, and copies of it for a device that loses them. */
export interface LargeFile {
  readonly path: string
  readonly sizeBytes: number
  readonly digest: string
}

/** Makes a file of random blocks. `sizeBytes` is a multiple of 16 MiB. */
export function makeLargeFile(path: string, sizeBytes: number): LargeFile {
  const hasher = new Blake3Hasher()
  const block = randomFillSync(Buffer.alloc(blockBytes))
  const fd = openSync(path, 'wx')
  try {
    for (let at = 0; at < sizeBytes; at += blockBytes) {
      block.writeDoubleLE(at, 0)
      hasher.update(block)
      writeSync(fd, block)
    }
  } finally {
    closeSync(fd)
  }
  return { path, sizeBytes, digest: hasher.digest('hex') }
}

/** Puts a copy into a folder, last written an hour ago. Returns its path. */
export function copyToDevice(file: LargeFile, folder: string): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'recording.bin')
  copyFileSync(file.path, path)
  const mtime = Date.now() / 1000 - ageSeconds
  utimesSync(path, mtime, mtime)
  return path
}

/** @throws Error when the disk is too full for what a benchmark will write. */
export function requireFreeSpace(temp: TempFolder, wantedBytes: number): void {
  const { bavail, bsize } = statfsSync(temp.path)
  if (bavail * bsize >= wantedBytes) return
  const [wanted, free] = [wantedBytes, bavail * bsize].map((bytes) => (bytes / 2 ** 30).toFixed(1))
  throw new Error(`needs ${wanted} GiB below ${temp.path}, ${free} are free; try --dir or --rounds`)
}
