import { crc32 } from 'node:zlib'
import type { StoreFile } from './store-fs.ts'

/*
 * How far an unfinished segment is known to be on stable storage, in a small file beside it: two slots
 * of which the smaller one is written over, so that a torn write leaves the one before. A slot is the number of bytes
 * and a CRC of it.
 */

const slotBytes = 12
/** Slots stand in blocks of their own: a torn block takes only one with it. */
const slotDistanceBytes = 4096

/** Writes it over the smaller one, and has it on stable storage. */
export async function writeRecordedOffset(file: StoreFile, sizeBytes: number): Promise<void> {
  const both = Buffer.alloc(slotDistanceBytes + slotBytes)
  // Not in turns that are counted here: an earlier process may have written the larger one anywhere.
  const { bytesRead } = await file.read(both, 0, both.length, 0)
  const bytes = both.subarray(0, bytesRead)
  const isFirstSmaller = slotAt(bytes, 0) <= slotAt(bytes, slotDistanceBytes)
  const slot = Buffer.alloc(slotBytes)
  slot.writeBigUInt64BE(BigInt(sizeBytes), 0)
  slot.writeUInt32BE(crc32(slot.subarray(0, 8)), 8)
  await file.write(slot, 0, slotBytes, isFirstSmaller ? 0 : slotDistanceBytes)
  await file.datasync()
}

/** The largest that is valid; 0 when none is. */
export function readRecordedOffset(bytes: Buffer): number {
  return Math.max(slotAt(bytes, 0), slotAt(bytes, slotDistanceBytes))
}

function slotAt(bytes: Buffer, at: number): number {
  if (bytes.length < at + slotBytes) return 0
  if (bytes.readUInt32BE(at + 8) !== crc32(bytes.subarray(at, at + 8))) return 0
  const sizeBytes = Number(bytes.readBigUInt64BE(at))
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : 0
}
