import { type BytePath, nameOf, parentOf } from '../../base/byte-path.ts'
import { blake3 } from '../../base/hash.ts'
import { maxSegmentBytes } from '../../wire/limits.ts'
import type { StoredFile } from '../store/catalog.ts'

/**
 * The names that a version may have below its folder of the export, in the order in which they are
 * tried. Never ends: another name that is taken must not keep a file from being exported.
 */
export function* namesFor(
  { mtimeNs, digest }: Pick<StoredFile, 'mtimeNs' | 'digest'>,
  path: BytePath,
  isNewest: boolean,
): Generator<BytePath, never> {
  if (isNewest) yield path
  const ending = `~${shortTime(mtimeNs)}-${digest.slice(0, 8)}`
  yield withEnding(path, ending)
  for (let count = 2; ; count += 1) yield withEnding(path, `${ending}~${count}`)
}

/** `20260131T120000.000Z`. */
function shortTime(mtimeNs: bigint): string {
  const date = new Date(Number(mtimeNs / 1_000_000n))
  return date.toISOString().replace(/[-:]/g, '')
}

/** A name for the folder that cannot have its own, because a file has it. */
export function folderBesideFile(path: BytePath, count: number): BytePath {
  return withEnding(path, count === 1 ? '~folder' : `~folder~${count}`)
}

/** Where a file goes whose path the file system of the export refuses. */
export function plainPath(path: BytePath): BytePath {
  const mark = blake3(Buffer.from(path, 'latin1')).slice(0, 16)
  const name = nameOf(path)
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .slice(-64)
  return `/renamed~/${mark}~${name}` as BytePath
}

/** A name that is too long is cut, with a hash of all of it in the place of what is lost. */
function withEnding(path: BytePath, ending: string): BytePath {
  const name = nameOf(path)
  const folder = parentOf(path)
  const start = folder === '/' ? '/' : `${folder}/`
  if (name.length + ending.length <= maxSegmentBytes) return `${start}${name}${ending}` as BytePath
  const mark = `~${blake3(Buffer.from(name, 'latin1')).slice(0, 8)}`
  const kept = name.slice(0, maxSegmentBytes - ending.length - mark.length)
  return `${start}${kept}${mark}${ending}` as BytePath
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
