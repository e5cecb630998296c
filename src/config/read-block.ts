import { type AttributeTable, attributes } from './attributes.ts'
import { describeValue, type Findings, type JsonObject, keyPathOf } from './findings.ts'
import { readValue, type ValueOf } from './kinds.ts'
import { nearestKey } from './near-miss.ts'
import type { PathBase } from './paths.ts'

/** The values of a block, defaults filled in; undefined where there is no default either. */
export type BlockValues<T extends AttributeTable> = {
  readonly [K in keyof T]:
    | ValueOf<T[K]['kind']>
    | (T[K]['default'] extends undefined ? undefined : never)
}

interface BlockOptions {
  /** Where the block stands, for example `cloud`. */
  readonly keyPath: string
  /** An unknown key is a problem, and null is a value like any other: not the same as not set. */
  readonly strict: boolean
  /** Key paths of attributes that came from elsewhere. */
  readonly keyPaths?: Readonly<Record<string, string>>
  readonly base: PathBase
}

/** Reads the block by its table. After a problem the value is the default, so that it can go on. */
export function readBlock<T extends AttributeTable>(
  table: T,
  json: JsonObject,
  options: BlockOptions,
  findings: Findings,
): { readonly values: BlockValues<T>; readonly isSet: (key: keyof T & string) => boolean } {
  const given = new Map(Object.entries(json).filter(([, value]) => value !== undefined))
  const values: Record<string, unknown> = {}
  const set = new Set<string>()
  for (const [key, attribute] of Object.entries(table)) {
    const keyPath = options.keyPaths?.[key] ?? keyPathOf(options.keyPath, key)
    const value = given.get(key)
    values[key] =
      attribute.default === undefined
        ? undefined
        : readValue(attribute.kind, attribute.default, keyPath, options.base, () => {})
    if (!given.delete(key) || isUnset(value, attribute.unset, options.strict)) continue
    set.add(key)
    const { kind, only } = attribute
    const report = findings.problems.push.bind(findings.problems)
    const read = readValue(kind, value, keyPath, options.base, report)
    if (read === undefined) continue
    values[key] = read
    if (only !== undefined && !only.includes(read)) {
      const supported = only.length === 0 ? 'nothing here' : only.map(show).join(' or ')
      const found = `${describeValue(value)}, which is not supported by this version`
      findings.problems.push({ keyPath, expected: supported, found })
    } else if (attribute.acts !== 'acts now' && only === undefined) {
      findings.notes.push({ keyPath, message: attribute.note ?? defaultNotes[attribute.acts] })
    }
  }
  for (const key of given.keys()) reportUnknownKey(key, table, options, findings)
  return { values: values as BlockValues<T>, isSet: (key) => set.has(key) }
}

const defaultNotes = {
  'not yet': 'checked, but not acted on by this version',
  "only in Viam's capture or cloud": 'acted on by viam-server or its cloud, not by Longshore',
}

const places = {
  cloud: 'cloud',
  dataManager: "the data manager's attributes",
  longshore: "attributes.longshore of the data manager's service",
}

/** Says what an unknown key is taken for: a typo, a key of another block, or unknown. */
function reportUnknownKey(
  key: string,
  table: AttributeTable,
  { keyPath: parent, strict }: BlockOptions,
  findings: Findings,
): void {
  const keyPath = keyPathOf(parent, key)
  const unknown = { keyPath, expected: 'a known attribute', found: 'an unknown one' }
  const elsewhere = blockOf(key)
  const nearest = nearestKey(key, Object.keys(table))
  if (elsewhere !== undefined) {
    findings.problems.push({ ...unknown, hint: `it belongs in ${elsewhere}` })
  } else if (nearest !== undefined) {
    findings.problems.push({ ...unknown, hint: `did you mean "${nearest}"?` })
  } else if (strict) {
    findings.problems.push({ ...unknown, hint: `known are ${Object.keys(table).join(', ')}` })
  } else {
    findings.notes.push({ keyPath, message: 'not an attribute that Longshore knows: ignored' })
  }
}

/** Where an attribute of that name belongs, in words, or undefined when there is none. */
export function blockOf(key: string): string | undefined {
  for (const [block, table] of Object.entries(attributes)) {
    if (Object.hasOwn(table, key)) return places[block as keyof typeof places]
  }
  return undefined
}

function isUnset(value: unknown, unset: number | '' | undefined, strict: boolean): boolean {
  if (value === null) return !strict
  if (typeof value === 'number' && typeof unset === 'number') return value >= 0 && value <= unset
  return value === unset
}

function show(value: unknown): string {
  return JSON.stringify(value)
}
