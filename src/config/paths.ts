import { type BytePath, bytePath } from '../base/byte-path.ts'

/** What a path in the config may be relative to. */
export interface PathBase {
  /** What `~` stands for; not absolute (for example empty) when the account has no home. */
  readonly homeDir: string
  readonly configDir: BytePath
}

/** A path of the config as an absolute one, or what is wrong with it. */
type ReadPath = { readonly path: BytePath } | { readonly wrong: string }

const maxPathBytes = 4096

/**
 * Expands `~` and `~/x`, joins a relative path to the config's folder where `allowRelative` says
 * so, and takes out `.`, `..` and superfluous slashes without looking at the disk.
 */
export function readConfigPath(text: string, base: PathBase, allowRelative: boolean): ReadPath {
  if (text === '') return { wrong: 'an empty text' }
  if (text.includes('\0') || !text.isWellFormed()) return { wrong: 'a text that no path can be' }
  let path = bytePath(text)
  if (path === '~' || path.startsWith('~/')) {
    if (!base.homeDir.startsWith('/')) return { wrong: '~ in an account without a home directory' }
    path = `${bytePath(base.homeDir)}${path.slice(1)}` as BytePath
  } else if (path.startsWith('~')) {
    return { wrong: 'the home directory of another account, which has to be written in full' }
  } else if (!path.startsWith('/')) {
    if (!allowRelative) return { wrong: 'a relative path' }
    path = `${base.configDir}/${path}` as BytePath
  }
  const normal = normalPath(path)
  return normal.length > maxPathBytes ? { wrong: 'a path of over 4,096 bytes' } : { path: normal }
}

/** An absolute path without `.`, `..`, double slashes and a slash at the end. */
export function normalPath(path: BytePath): BytePath {
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return `/${names.join('/')}` as BytePath
}
