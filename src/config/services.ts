import {
  describeValue,
  type Findings,
  isJsonObject,
  type JsonObject,
  keyPathOf,
} from './findings.ts'
import { nearestKey } from './near-miss.ts'
import { blockOf } from './read-block.ts'

const usedKeys = ['cloud', 'components', 'services']
/** The further keys of a Viam machine config: rdk/config/config.go, and what its app adds. */
const viamKeys = (
  'agent auth debug disable_log_deduplication disable_partial_start enable_web_profile ' +
  'fragment_mods fragments jobs log maintenance modules network overrides package_path packages ' +
  'processes remotes revision tracing triggers data_retention_policy $schema'
).split(' ')
const serviceKeys = (
  'api attributes depends_on frame log_configuration model name namespace notes ' +
  'service_configs subtype type'
).split(' ')

/**
 * Finds the data manager's service in a machine config and checks the rest as far as Longshore can:
 * keys that look like typos of those it uses are problems, what it does not use is noted once.
 * Undefined after a problem.
 */
export function findDataManager(
  json: JsonObject,
  findings: Findings,
): { readonly attributes: JsonObject; readonly keyPath: string } | undefined {
  const unused: string[] = []
  for (const key of Object.keys(json)) {
    if (usedKeys.includes(key)) continue
    if (viamKeys.includes(key)) unused.push(key)
    else reportUnknownKey('', key, usedKeys, findings)
  }
  if (objectsIn(json.components, 'components', findings).length > 0) unused.push('components')

  const services = objectsIn(json.services, 'services', findings)
  const found = services.filter(([, { type, api }]) => {
    return type === 'data_manager' || api === 'rdk:service:data_manager'
  })
  if (services.length > found.length) unused.push('the other services')
  if (unused.length > 0) {
    findings.notes.push({ keyPath: unused.join(', '), message: 'not used by Longshore' })
  }
  if (!Array.isArray(json.services ?? [])) return undefined
  const [only, second] = found
  if (only === undefined || second !== undefined) {
    const expected = 'one service with "type": "data_manager"'
    const paths = found.map(([keyPath]) => keyPath).join(', ')
    const which = second === undefined ? `none among ${services.length}` : paths
    findings.problems.push({ keyPath: 'services', expected, found: which })
    return undefined
  }
  const [keyPath, service] = only
  for (const key of Object.keys(service)) {
    if (serviceKeys.includes(key)) continue
    const known = ['attributes', 'type', 'api']
    reportUnknownKey(keyPath, key, known, findings, blockOf(key))
  }
  const attributes = service.attributes ?? {}
  const attributesPath = `${keyPath}.attributes`
  if (isJsonObject(attributes)) return { attributes, keyPath: attributesPath }
  const what = { expected: 'an object', found: describeValue(attributes, true) }
  findings.problems.push({ keyPath: attributesPath, ...what })
  return undefined
}

function reportUnknownKey(
  parent: string,
  key: string,
  known: readonly string[],
  findings: Findings,
  belongsIn?: string,
): void {
  const keyPath = keyPathOf(parent, key)
  const nearest = nearestKey(key, known)
  const hint = belongsIn ? `it belongs in ${belongsIn}` : nearest && `did you mean "${nearest}"?`
  if (hint) {
    findings.problems.push({ keyPath, expected: 'a known key', found: 'an unknown one', hint })
  } else {
    findings.notes.push({ keyPath, message: 'not a key that Longshore knows: ignored' })
  }
}

function objectsIn(
  json: unknown,
  key: string,
  findings: Findings,
): [keyPath: string, value: JsonObject][] {
  if (json === undefined || json === null) return []
  if (!Array.isArray(json)) {
    const found = describeValue(json, true)
    findings.problems.push({ keyPath: key, expected: 'a list of objects', found })
    return []
  }
  const objects: [string, JsonObject][] = []
  for (const [i, value] of json.entries()) {
    const keyPath = `${key}[${i}]`
    if (isJsonObject(value)) objects.push([keyPath, value])
    else {
      const found = describeValue(value, true)
      findings.problems.push({ keyPath, expected: 'an object', found })
    }
  }
  return objects
}
