import { type BytePath, nameOf, parentOf } from '../../base/byte-path.ts'
import { blake3 } from '../../base/hash.ts'
import { maxSegmentBytes } from '../../wire/limits.ts'
import type { StoredFile } from '../store/catalog.ts'

/** The name for a version that cannot have its own: `name~<mtime>-<8 hex of the hash>`. */
export function versionName({ path, mtimeNs, digest }: StoredFile): BytePath {
  const ms = Number(mtimeNs / 1_000_000n)
  const date = new Date(ms)
  const time = Number.isNaN(date.getTime()) ? `${mtimeNs}` : date.toISOString().replace(/[-:]/g, '')
  return `${parentOf(path)}/${fitted(nameOf(path), `~${time}-${digest.slice(0, 8)}`)}` as BytePath
}

/** A name that is too long is cut, with a hash of all of it in the place of what is lost. */
function fitted(name: string, ending: string): string {
  if (name.length + ending.length <= maxSegmentBytes) return name + ending
  const mark = `~${blake3(Buffer.from(name, 'latin1')).slice(0, 8)}`
  return name.slice(0, maxSegmentBytes - ending.length - mark.length) + mark + ending
}

export interface NamedVersion {
  readonly file: StoredFile
  readonly isNewest: boolean
}

/** Marks the newest version of each path. Versions of a path come one after another, newest last. */
export function* markNewest(files: Iterable<StoredFile>): Iterable<NamedVersion> {
  let last: StoredFile | undefined
  for (const file of files) {
    if (last !== undefined) {
      const isNewest = last.path !== file.path || last.machine !== file.machine
      yield { file: last, isNewest }
    }
    last = file
  }
  if (last !== undefined) yield { file: last, isNewest: true }
}
