import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { fsPath } from '../src/base/byte-path.ts'
import { type FileIdentity, identityOf } from '../src/base/file-identity.ts'
import { blake3, type Digest } from '../src/base/hash.ts'
import type { FileResult, ShardFile } from '../src/wire/thread-messages.ts'
import { isAsScanned, openFlags, readFailure } from './open-file.ts'

export interface ReadFile {
  readonly index: number
  readonly identity: FileIdentity
  readonly digest: Digest
  /** A view into the buffer that was read into. */
  readonly bytes: Buffer
}

export interface ReadBundle {
  readonly files: readonly ReadFile[]
  /** What became of those that could not be read, by their index in the shard. */
  readonly failures: ReadonlyMap<number, FileResult>
}

export interface ReadTarget {
  readonly buffer: Buffer
  /** Where the first gap begins. */
  readonly start: number
  /** Bytes left free before each file. */
  readonly gapBytes: number
}

const turnMs = 8
const turnBytes = 1024 * 1024

/**
 * Reads all files of a bundle, one behind the other with a gap before each, with synchronous calls:
 * for small files they are eight times as fast as asynchronous ones. After every 8 ms or 1 MiB the
 * event loop gets a turn, so that PINGs and other uploads are served.
 */
export async function readBundle(
  files: readonly ShardFile[],
  { buffer, start, gapBytes }: ReadTarget,
): Promise<ReadBundle> {
  const read: ReadFile[] = []
  const failures = new Map<number, FileResult>()
  let used = start
  let turnStartedMs = performance.now()
  let turnStartedAt = used
  for (const [index, file] of files.entries()) {
    const bytes = buffer.subarray(used + gapBytes, used + gapBytes + file.sizeBytes)
    const identity = readWhole(file, bytes)
    if ('status' in identity) failures.set(index, identity)
    else {
      read.push({ index, identity, digest: blake3(bytes), bytes })
      used += gapBytes + file.sizeBytes
    }
    if (performance.now() - turnStartedMs >= turnMs || used - turnStartedAt >= turnBytes) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      turnStartedMs = performance.now()
      turnStartedAt = used
    }
  }
  return { files: read, failures }
}

/**
 * Fills `into` with the file. A look before the reading and one after it: a program that writes in
 * between and sets the mtime back, as `touch -r` does, cannot set the ctime back. A later write is found
 * by the look before removal.
 */
function readWhole(file: ShardFile, into: Buffer): FileIdentity | FileResult {
  let fd: number | undefined
  try {
    fd = openSync(fsPath(file.path), openFlags)
    const { ctimeNs: ctimeBeforeNs } = fstatSync(fd, { bigint: true })
    let filled = 0
    while (filled < into.length) {
      const bytesRead = readSync(fd, into, filled, into.length - filled, filled)
      if (bytesRead === 0) return { status: 'changed' }
      filled += bytesRead
    }
    const stats = fstatSync(fd, { bigint: true })
    const isUnchanged = isAsScanned(stats, file) && stats.ctimeNs === ctimeBeforeNs
    return isUnchanged ? identityOf(stats) : { status: 'changed' }
  } catch (error) {
    return readFailure(error)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
