import { bytePath, showPath } from '../base/byte-path.ts'
import type { ConfigNote, ConfigProblem } from './config.ts'

/** Collects what there is to say about a config, so that all of it is said at once. */
export interface Findings {
  readonly problems: ConfigProblem[]
  readonly notes: ConfigNote[]
}

export type JsonObject = Readonly<Record<string, unknown>>

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One line for a person. */
export function showProblem({ keyPath, expected, found, hint }: ConfigProblem): string {
  return `${keyPath}: expected ${expected}, found ${found}${hint === undefined ? '' : ` (${hint})`}`
}

/** The key path of `key` in the object at `parent`. Odd keys are quoted and escaped. */
export function keyPathOf(parent: string, key: string): string {
  if (!/^[A-Za-z0-9_-]+$/.test(key)) return `${parent}[${quote(key)}]`
  return parent === '' ? key : `${parent}.${key}`
}

/** A text of unknown origin: quoted, cut to 60 chars, unable to drive a terminal. */
export function quote(text: string): string {
  return `"${showPath(bytePath(text.slice(0, 60)))}${text.length > 60 ? '...' : ''}"`
}

/** What a value is, for `found`. With `hidden`, nothing of the value itself. */
export function describeValue(value: unknown, hidden = false): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'string') return hidden ? `a text of ${value.length} chars` : quote(value)
  return hidden ? `a ${typeof value}` : String(value)
}
