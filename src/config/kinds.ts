import type { BytePath } from '../base/byte-path.ts'
import type { ConfigProblem } from './config.ts'
import { describeValue, isJsonObject } from './findings.ts'
import { type PathBase, readConfigPath } from './paths.ts'

/**
 * What values an attribute takes. Plain data, so that the same table can check a config, describe
 * itself to people and be turned into a schema for editors.
 */
export type Kind =
  | { readonly type: 'any' | 'boolean' | 'object' }
  | {
      readonly type: 'number'
      readonly min: number
      readonly max: number
      readonly integer: boolean
    }
  /** 1 to `maxBytes` bytes of UTF-8 without control characters. */
  | { readonly type: 'text'; readonly maxBytes: number; readonly hidden?: true }
  /** Several lines of text. `hidden`, here and above: no message may quote the value. */
  | { readonly type: 'lines'; readonly maxBytes: number; readonly hidden: true }
  | { readonly type: 'word'; readonly words: readonly string[] }
  /** Becomes an absolute path. */
  | { readonly type: 'folder' }
  /** Becomes an absolute path; a relative one starts at the config file's folder. */
  | { readonly type: 'file'; readonly hidden?: true }
  | { readonly type: 'list'; readonly of: Kind; readonly max: number }
  | { readonly type: 'either'; readonly of: readonly Kind[] }

/** What a value of that kind has become once it is read. */
export type ValueOf<K> = K extends { readonly type: 'boolean' }
  ? boolean
  : K extends { readonly type: 'number' }
    ? number
    : K extends { readonly type: 'text' | 'lines' }
      ? string
      : K extends { readonly type: 'word'; readonly words: readonly (infer W)[] }
        ? W
        : K extends { readonly type: 'folder' | 'file' }
          ? BytePath
          : K extends { readonly type: 'list'; readonly of: infer E }
            ? readonly ValueOf<E>[]
            : K extends { readonly type: 'either'; readonly of: readonly (infer E)[] }
              ? ValueOf<E>
              : unknown

/** The kind for people, as it stands in messages and in docs/configuration.md. */
export function describeKind(kind: Kind): string {
  switch (kind.type) {
    case 'any':
      return 'anything'
    case 'boolean':
      return 'true or false'
    case 'object':
      return 'an object'
    case 'number': {
      const max = kind.max.toLocaleString('en-US')
      return `a ${kind.integer ? 'whole ' : ''}number from ${kind.min} to ${max}`
    }
    case 'text':
      return `a text of 1 to ${kind.maxBytes.toLocaleString('en-US')} bytes`
    case 'lines':
      return `a text of up to ${kind.maxBytes.toLocaleString('en-US')} bytes in PEM format`
    case 'word':
      return kind.words.map((word) => `"${word}"`).join(' or ')
    case 'folder':
      return 'an absolute path, or one below ~'
    case 'file':
      return 'the path of a file'
    case 'list':
      return `a list of up to ${kind.max.toLocaleString('en-US')}, each ${describeKind(kind.of)}`
    case 'either':
      return kind.of.map(describeKind).join(' or ')
  }
}

type Report = (problem: ConfigProblem) => void

/**
 * Reads one value. Undefined, after at least one report, when it is not of that kind; in a list the
 * items that are not, so that the others keep their places.
 */
export function readValue(
  kind: Kind,
  json: unknown,
  keyPath: string,
  base: PathBase,
  report: Report,
): unknown {
  const hidden = 'hidden' in kind && kind.hidden === true
  const mismatch = (found = describeValue(json, hidden), hint?: string): undefined => {
    const problem = { keyPath, expected: describeKind(kind), found }
    report(hint === undefined ? problem : { ...problem, hint })
  }
  switch (kind.type) {
    case 'any':
      return json
    case 'object':
      return isJsonObject(json) ? json : mismatch()
    case 'boolean':
      if (typeof json === 'boolean') return json
      return mismatch(undefined, json === 'true' || json === 'false' ? 'no quotes' : undefined)
    case 'number': {
      const inRange = typeof json === 'number' && json >= kind.min && json <= kind.max
      if (inRange && (!kind.integer || Number.isInteger(json))) return json
      const quoted = typeof json === 'string' && /^-?[\d.]+$/.test(json)
      return mismatch(undefined, quoted ? 'no quotes' : undefined)
    }
    case 'text':
    case 'lines': {
      if (typeof json !== 'string') return mismatch()
      const sizeBytes = Buffer.byteLength(json)
      if (json === '' || !json.isWellFormed()) return mismatch()
      if (sizeBytes > kind.maxBytes) return mismatch(`${sizeBytes.toLocaleString('en-US')} bytes`)
      if (kind.type === 'text' && /\p{Cc}/u.test(json)) return mismatch('control characters in it')
      return json
    }
    case 'word':
      return typeof json === 'string' && kind.words.includes(json) ? json : mismatch()
    case 'folder':
    case 'file': {
      if (typeof json !== 'string') return mismatch()
      const read = readConfigPath(json, base, kind.type === 'file')
      if ('path' in read) return read.path
      return mismatch(hidden ? read.wrong : `${describeValue(json)}, ${read.wrong}`)
    }
    case 'list': {
      if (!Array.isArray(json)) return mismatch()
      if (json.length > kind.max) return mismatch()
      return json.map((item, i) => readValue(kind.of, item, `${keyPath}[${i}]`, base, report))
    }
    case 'either':
      for (const one of kind.of) {
        const reports: ConfigProblem[] = []
        const value = readValue(one, json, keyPath, base, (problem) => reports.push(problem))
        if (reports.length === 0) return value
      }
      return mismatch()
  }
}
