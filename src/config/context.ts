import type { BytePath } from '../base/byte-path.ts'
import type { RootFacts } from './unsafe-roots.ts'

/** A small text file, or why there is none: words that follow a comma, such as `no such file`. */
export type TextFile =
  | { readonly text: string; readonly readableByOthers: boolean }
  | { readonly failure: string }

/** All that reading a config needs to know of the computer it is read on. */
export interface ConfigContext {
  readonly configPath: BytePath
  /** True when its group or everybody may read the config file. */
  readonly configReadableByOthers: boolean
  readonly homeDir: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads a small file of UTF-8. Never waits, whatever is at that path. */
  readonly readFile: (path: BytePath) => TextFile
  /** False also when it cannot be found out. */
  readonly exists: (path: BytePath) => boolean
  /** The names in a folder, or none when it cannot be read. */
  readonly list: (folder: BytePath) => readonly BytePath[]
  /** The path without symbolic links, as far as it exists. */
  readonly resolve: (path: BytePath) => BytePath
  readonly rootFacts: RootFacts
}
