import type { BytePath } from '../base/byte-path.ts'
import { maxPathBytes, maxSegmentBytes } from './limits.ts'

/**
 * Why the receiver will not take a path, or undefined when it will. Everything else is stored byte for
 * byte: a name is data, and becomes a path of the receiver's file system only in `export`, which
 * checks again.
 */
export function whyNameNotAllowed(path: BytePath): string | undefined {
  if (path.length === 0) return 'the path is empty'
  if (path.length > maxPathBytes) return `the path has over ${maxPathBytes} bytes`
  if (path[0] !== '/') return 'the path is not absolute'
  if (path.includes('\0')) return 'the path holds a NUL byte'
  let start = 1
  while (start <= path.length) {
    let end = path.indexOf('/', start)
    if (end === -1) end = path.length
    const length = end - start
    if (length === 0) return 'the path has an empty segment'
    if (length > maxSegmentBytes) return `a segment has over ${maxSegmentBytes} bytes`
    if (path[start] === '.' && (length === 1 || (length === 2 && path[start + 1] === '.'))) {
      return 'the path has a . or .. segment'
    }
    start = end + 1
  }
  return undefined
}
