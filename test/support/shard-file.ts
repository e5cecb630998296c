import { lstatSync } from 'node:fs'
import { bytePath } from '../../src/base/byte-path.ts'
import type { ShardFile } from '../../src/wire/thread-messages.ts'

/** A file as a scan would describe it now. */
export function shardFile(path: string, root: string): ShardFile {
  const stats = lstatSync(path, { bigint: true })
  return {
    path: bytePath(path),
    root: bytePath(root),
    kind: path.endsWith('.capture') ? 'capture' : 'arbitrary',
    sizeBytes: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    device: stats.dev,
    inode: stats.ino,
  }
}
