import { type BigIntStats, linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import { type BytePath, fsPath, joinPath, nameOf, parentOf } from '../../base/byte-path.ts'
import { errnoOf } from '../../base/errors.ts'
import { exists } from '../../scan/exists.ts'
import { maxSuffix, nameWithSuffix } from '../quarantine/place.ts'
import { giveBack, isStillReserved, reserve } from '../quarantine/reserve.ts'

export type PutBack =
  | { readonly result: 'moved'; readonly to: BytePath }
  /** Somebody else has moved it. */
  | { readonly result: 'gone' }
  /** The errno of what was in the way. It stays where it is. */
  | { readonly result: 'failed'; readonly errno: string }

/** File systems and rules that do not allow a second name for a file (vfat; protected_hardlinks). */
const noLinks: ReadonlySet<string> = new Set(['EPERM', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * Moves a file to `origin`, or to the next free name beside it: never over anything, whoever makes a
 * file there at the same time. Its folder must exist.
 *
 * A hard link takes the name and places the file in one step, which a reserved name, as in the
 * quarantine, does not: here other programs write, and one that opens the empty file in between would
 * lose what it writes. Killed in between, the file has two names, and no scan touches it; the next
 * `requeue` finds that, and takes the old one away.
 *
 * No lock is needed against a daemon that sets files aside meanwhile: both take a name only if it is
 * free, in one step, and the daemon never takes a name in `failed/` away. Against a second requeue there
 * is one (lock-roots.ts): that might take the old name away between the last look and our doing it,
 * and the daemon give it to another file.
 */
export function putBack(file: BytePath, origin: BytePath): PutBack {
  try {
    const stats = statsOf(file)
    if (stats === undefined) return { result: 'gone' }
    if (!stats.isFile()) return { result: 'failed', errno: 'ELOOP' }
    const earlier = stats.nlink > 1n ? firstName(origin, (name) => isIt(name, stats)) : undefined
    if (earlier !== undefined) return finish(file, earlier, stats)
    for (const target of namesFor(origin)) {
      const placed = place(file, target, stats)
      if (placed !== undefined) return placed
    }
    return { result: 'failed', errno: 'EEXIST' }
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    return { result: 'failed', errno }
  }
}

/** Where {@link putBack} would put it now. */
export function firstFreeName(origin: BytePath): BytePath | undefined {
  return firstName(origin, (name) => !exists(name))
}

function* namesFor(origin: BytePath): Generator<BytePath> {
  for (let suffix = 0; suffix < maxSuffix; suffix += 1) {
    yield joinPath(parentOf(origin), nameWithSuffix(nameOf(origin), suffix))
  }
}

function firstName(origin: BytePath, matches: (name: BytePath) => boolean): BytePath | undefined {
  for (const name of namesFor(origin)) {
    if (matches(name)) return name
  }
  return undefined
}

/** Undefined when the name is taken. */
function place(file: BytePath, target: BytePath, stats: BigIntStats): PutBack | undefined {
  try {
    linkSync(fsPath(file), fsPath(target))
  } catch (error) {
    const errno = errnoOf(error)
    if (errno !== undefined && noLinks.has(errno)) return rename(file, target)
    if (errno === 'ENOENT' && statsOf(file) === undefined) return { result: 'gone' }
    if (errno === 'EEXIST') return undefined
    throw error
  }
  return finish(file, target, stats)
}

/**
 * Takes the old name away, and never the last one: its new name may have been given another one since, or
 * have been removed. What has the old name by now, if it is another file, stays.
 */
function finish(file: BytePath, to: BytePath, stats: BigIntStats): PutBack {
  const now = statsOf(file)
  if (now === undefined || now.ino !== stats.ino) return { result: 'moved', to }
  if (now.nlink < 2n) return { result: 'failed', errno: 'ESTALE' }
  try {
    unlinkSync(fsPath(file))
    return { result: 'moved', to }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { result: 'moved', to }
    // It may not be taken out of its folder: then it does not get a second name either.
    if (isIt(file, stats) && isIt(to, stats)) unlinkSync(fsPath(to))
    throw error
  }
}

/** The second best: between two calls somebody may open the name that was reserved. */
function rename(file: BytePath, target: BytePath): PutBack | undefined {
  const inode = reserve(target)
  if (inode === undefined) return undefined
  try {
    if (!isStillReserved(target, inode)) return undefined
    renameSync(fsPath(file), fsPath(target))
    return { result: 'moved', to: target }
  } catch (error) {
    giveBack(target, inode)
    if (errnoOf(error) === 'ENOENT' && statsOf(file) === undefined) return { result: 'gone' }
    throw error
  }
}

function isIt(path: BytePath, { dev, ino }: BigIntStats): boolean {
  const stats = statsOf(path)
  return stats !== undefined && stats.dev === dev && stats.ino === ino
}

function statsOf(path: BytePath): BigIntStats | undefined {
  return lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false })
}
