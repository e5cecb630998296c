/**
 * A path as the kernel sees it: bytes, not text. Linux names need not be UTF-8, so a path is carried
 * as a string with one char per byte (latin1), which V8 stores in one byte per char, compares and
 * hashes like any string, and which turns back into the same bytes.
 *
 * Never print one: use {@link showPath}. Never hand one to `node:fs`: use {@link fsPath}.
 */
export type BytePath = string & { readonly __bytePath: unique symbol }

const beyondAscii = /[^\0-\x7f]/

/** The path of a text that came from a person or a config file (UTF-8). */
export function bytePath(text: string): BytePath {
  return (beyondAscii.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text) as BytePath
}

/** The path made of these bytes. */
export function bytePathFromBytes(bytes: Uint8Array): BytePath {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(
    'latin1',
  ) as BytePath
}

/** What `node:fs` takes for this path. ASCII paths stay strings, which is the fast case. */
export function fsPath(path: BytePath): string | Buffer {
  return beyondAscii.test(path) ? Buffer.from(path, 'latin1') : path
}

export function pathBytes(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1')
}

/** A name below a folder. `name` is one entry as read with `encoding: 'latin1'`. */
export function joinPath(folder: BytePath, name: string): BytePath {
  return (folder === '/' ? `/${name}` : `${folder}/${name}`) as BytePath
}

export function parentOf(path: BytePath): BytePath {
  const slash = path.lastIndexOf('/')
  return (slash <= 0 ? '/' : path.slice(0, slash)) as BytePath
}

export function nameOf(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf('/') + 1) as BytePath
}

/** True when `path` is `folder` or lies below it. */
export function isAtOrBelow(path: BytePath, folder: BytePath): boolean {
  return path === folder || folder === '/' || path.startsWith(`${folder}/`)
}

/** The names from below `folder` down to `path`, which must lie at or below it. */
export function segmentsBelow(path: BytePath, folder: BytePath): string[] {
  if (path === folder) return []
  return path.slice(folder === '/' ? 1 : folder.length + 1).split('/')
}

/**
 * The path for people and logs: UTF-8 where it is UTF-8; control characters, backslashes and bytes
 * that are not UTF-8 as `\xNN`, so that a name can neither forge a log line nor drive a terminal.
 */
export function showPath(path: BytePath): string {
  const text = pathText(path)
  if (text === undefined) {
    return path.replace(/[^\x20-\x5b\x5d-\x7e]/g, escapeChar)
  }
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\]/gu, (c) =>
    [...Buffer.from(c, 'utf8')].map((b) => `\\x${b.toString(16).padStart(2, '0')}`).join(''),
  )
}

/** The path as text that {@link bytePath} turns back, or undefined when it is not UTF-8. */
export function pathText(path: BytePath): string | undefined {
  if (!beyondAscii.test(path)) return path
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(pathBytes(path))
  } catch {
    return undefined
  }
}

function escapeChar(c: string): string {
  return `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`
}
