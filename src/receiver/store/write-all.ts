import type { FileHandle } from 'node:fs/promises'

/** A write may be cut short (a full disk, a signal): goes on until all is written or it fails. */
export async function writeAll(
  file: FileHandle,
  pieces: readonly Buffer[],
  position: number,
): Promise<number> {
  let total = 0
  for (const piece of pieces) total += piece.length
  let written = (await file.writev(pieces as Buffer[], position)).bytesWritten
  if (written < total) {
    const all = Buffer.concat(pieces)
    while (written < total) {
      written += (await file.write(all, written, total - written, position + written)).bytesWritten
    }
  }
  return total
}
