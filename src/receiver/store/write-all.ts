import type { StoreFile } from './store-fs.ts'

/** A write may be cut short (a full disk, a signal): goes on until all is written or it fails. */
export async function writeAll(
  file: StoreFile,
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

const pieceBytes = 1024 * 1024

/**
 * Writes what stands between two places once more. After a failed sync the kernel takes what it could
 * not write for written, and a process that is killed then leaves nobody who knows: read again it looks
 * whole, and no later sync writes it.
 */
export async function rewrite(
  file: StoreFile,
  from: number,
  to = Number.POSITIVE_INFINITY,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(pieceBytes)
  for (let at = from; at < to; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(pieceBytes, to - at), at)
    if (bytesRead === 0) return
    at += await writeAll(file, [buffer.subarray(0, bytesRead)], at)
  }
}
