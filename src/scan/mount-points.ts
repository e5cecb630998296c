import { readFileSync } from 'node:fs'
import type { BytePath } from '../base/byte-path.ts'
import { errnoOf } from '../base/errors.ts'

/**
 * Where other file systems begin, as proc(5) lists them in /proc/PID/mountinfo. Needed beside a
 * comparison of device numbers: a bind mount of a folder has the number of the file system that the
 * folder is on. Empty where the list cannot be read.
 */
export function mountPoints(file = '/proc/self/mountinfo'): ReadonlySet<BytePath> {
  try {
    return parseMountInfo(readFileSync(file, 'latin1'))
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return new Set()
  }
}

/** The fifth field of each line; blanks, newlines and backslashes in it are octal escapes. */
export function parseMountInfo(text: string): ReadonlySet<BytePath> {
  const points = new Set<BytePath>()
  for (const line of text.split('\n')) {
    const point = line.split(' ')[4]
    if (point?.startsWith('/') !== true) continue
    const path = point.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    points.add(path as BytePath)
  }
  return points
}

/**
 * Whether a folder below a root is on another mount than the root: another file system, or a folder
 * of the same one that is mounted there.
 */
export function isOtherMount(
  path: BytePath,
  device: bigint,
  rootDevice: bigint | undefined,
  mounts: ReadonlySet<BytePath>,
): boolean {
  return device !== rootDevice || mounts.has(path)
}
