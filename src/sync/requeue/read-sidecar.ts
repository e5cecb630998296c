import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, unlinkSync } from 'node:fs'
import { type BytePath, fsPath, nameOf } from '../../base/byte-path.ts'
import { errnoOf } from '../../base/errors.ts'
import { sidecarEnding, sidecarOf } from '../quarantine/place.ts'
import { parseSidecar, type SidecarPaths } from '../quarantine/sidecar.ts'

/** Nothing is there, or a link, or what is no file. */
const noFile: ReadonlySet<string> = new Set(['ENOENT', 'ELOOP', 'ENXIO', 'ENODEV'])
/** Longer than any sidecar: two paths of 4 KiB and a sentence. */
const maxSidecarBytes = 65_536
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** A file that is a sidecar beyond doubt: it may be removed when the file it tells of has gone. */
export interface Sidecar extends SidecarPaths {
  readonly path: BytePath
  readonly device: bigint
  readonly inode: bigint
}

/**
 * Reads the sidecar at this path. Undefined when what is there is no sidecar of a file in this folder:
 * it names the file with its whole path, so that a copy of a sidecar, which somebody may have had
 * uploaded and set aside like any file, is no sidecar in another place. Throws the system's error when
 * what is there may not be read.
 */
export function readSidecar(path: BytePath): Sidecar | undefined {
  if (!path.endsWith(sidecarEnding)) return undefined
  const read = readSmallRegular(path)
  const paths = read && parseSidecar(read.text)
  if (paths === undefined || !isPlain(paths.to) || sidecarOf(paths.to) !== path) return undefined
  return { ...paths, path, device: read!.device, inode: read!.inode }
}

/** True for the text of a sidecar, of whatever file. */
export function looksLikeSidecar(path: BytePath): boolean {
  const read = readSmallRegular(path)
  return read !== undefined && parseSidecar(read.text) !== undefined
}

/** Removes a sidecar, if its name still leads to it. */
export function removeSidecar({ path, device, inode }: Sidecar): void {
  const stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false })
  if (stats?.isFile() === true && stats.dev === device && stats.ino === inode) {
    unlinkSync(fsPath(path))
  }
}

/** True for a path that can be the one of a file: no such names as `..`, no NUL. */
export function isPlain(path: BytePath): boolean {
  const name = nameOf(path)
  return (
    path.startsWith('/') &&
    !path.includes('\0') &&
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    name.length <= 255
  )
}

function readSmallRegular(
  path: BytePath,
): { readonly text: string; readonly device: bigint; readonly inode: bigint } | undefined {
  let fd: number
  try {
    fd = openSync(fsPath(path), readFlags)
  } catch (error) {
    if (!noFile.has(errnoOf(error) ?? '')) throw error
    return undefined
  }
  try {
    const stats = fstatSync(fd, { bigint: true })
    if (!stats.isFile() || stats.size === 0n || stats.size > maxSidecarBytes) return undefined
    const bytes = Buffer.alloc(Number(stats.size))
    if (readSync(fd, bytes) !== bytes.length) return undefined
    return { text: bytes.toString('utf8'), device: stats.dev, inode: stats.ino }
  } finally {
    closeSync(fd)
  }
}
