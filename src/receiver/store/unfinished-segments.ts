import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import { offsetFlags } from './file-own-segment.ts'
import { readRecordedOffset, writeRecordedOffset } from './recorded-offset.ts'
import type { SegmentFolder } from './segment-folder.ts'
import type { UnfinishedSegment } from './segment-store.ts'
import { rewrite, writeAll } from './write-all.ts'

const bootIdName = 'boot-id'

/**
 * What an earlier receiver left unfinished. As long as the computer runs, the kernel holds everything
 * that was written, also by a process that was killed: it is synced and recorded now. Once the computer
 * has been started anew, only what was recorded counts; the rest is cut away, and a segment without
 * anything recorded goes.
 *
 * @param bootId - Of the running kernel.
 */
export async function takeOverUnfinished(
  folder: SegmentFolder,
  bootId: string,
): Promise<readonly UnfinishedSegment[]> {
  const isSameBoot = bootId !== '' && (await notedBoot(folder)) === bootId
  const unfinished: UnfinishedSegment[] = []
  const partIds = await folder.ids('part')
  for (const segmentId of partIds) {
    const part = folder.pathOf(segmentId, 'part')
    const { size, mtimeMs } = await folder.fs.stat(part)
    const recordedBytes = Math.min(size, await recordedOf(folder, segmentId))
    const sizeBytes =
      isSameBoot && (await record(folder, segmentId, recordedBytes, size)) ? size : recordedBytes
    if (sizeBytes === 0) {
      await folder.fs.unlink(part)
      continue
    }
    if (sizeBytes < size) await cut(folder, part, sizeBytes)
    unfinished.push({ segmentId, sizeBytes, writtenAtMs: mtimeMs })
  }
  const left = new Set(unfinished.map(({ segmentId }) => segmentId))
  for (const segmentId of await folder.ids('offset')) {
    if (!left.has(segmentId)) await folder.fs.unlink(folder.pathOf(segmentId, 'offset'))
  }
  // Last: until here another start must come to the same.
  if (!isSameBoot) await noteBoot(folder, bootId)
  // What an earlier process removed must not come back beside a segment that gets its number.
  await folder.sync()
  return unfinished
}

async function recordedOf(folder: SegmentFolder, segmentId: number): Promise<number> {
  try {
    return readRecordedOffset(await folder.fs.readFile(folder.pathOf(segmentId, 'offset')))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0
    throw error
  }
}

/** Beyond any head, which is written over when the message is complete. */
const beginningBytes = 64 * 1024

/** Has all that is there survive a power cut. False when the disk has no room for that, say. */
async function record(
  folder: SegmentFolder,
  segmentId: number,
  recordedBytes: number,
  sizeBytes: number,
): Promise<boolean> {
  try {
    // Otherwise it is left alone: by the time of its last write it expires.
    if (sizeBytes > recordedBytes) {
      await using part = await folder.fs.open(folder.pathOf(segmentId, 'part'), 'r+')
      await rewrite(part, 0, Math.min(recordedBytes, beginningBytes))
      await rewrite(part, recordedBytes)
      await part.datasync()
    }
    const path = folder.pathOf(segmentId, 'offset')
    await using offset = await folder.fs.open(path, offsetFlags, 0o600)
    await writeRecordedOffset(offset, sizeBytes)
    return true
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    // What was recorded before is as good as after a power cut.
    return false
  }
}

async function cut({ fs }: SegmentFolder, path: string, sizeBytes: number): Promise<void> {
  await using file = await fs.open(path, 'r+')
  await file.truncate(sizeBytes)
  await file.sync()
}

async function notedBoot({ fs, path }: SegmentFolder): Promise<string | undefined> {
  try {
    return String(await fs.readFile(join(path, bootIdName)))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function noteBoot(folder: SegmentFolder, bootId: string): Promise<void> {
  await using file = await folder.fs.open(join(folder.path, bootIdName), 'w', 0o600)
  // Empty or torn it is no boot's: then what was recorded counts again.
  await writeAll(file, [Buffer.from(bootId)], 0)
  await file.sync()
}
