import { type BytePath, bytePath, pathBytes, pathText, showPath } from '../../base/byte-path.ts'
import { version } from '../../base/version.ts'

/** Why a file is set aside. Stable words, for scripts. */
export type SetAsideCode = 'name_not_allowed' | 'message_refused'

/** What is known of a file when it is set aside. */
export interface SetAsideReason {
  readonly code: SetAsideCode
  /** A sentence for people. */
  readonly why: string
  /** Wall clock. */
  readonly atMs: number
  /** Failed tries since the daemon started, this one included. */
  readonly attempts: number
}

/** What {@link sidecarText} says of paths: all that is ever read back. */
export interface SidecarPaths {
  /** Where the file came from. Anybody may have written it: to be checked before it is used. */
  readonly from: BytePath
  /** Where the file was put. */
  readonly to: BytePath
}

/** A reason may come from the receiver. */
const maxWhyChars = 1000

/** The text of the sidecar that lies beside a file in `failed/`. */
export function sidecarText(
  { from, to }: SidecarPaths,
  sizeBytes: number,
  { code, why, atMs, attempts }: SetAsideReason,
): string {
  const content = {
    longshore_why: 1,
    code,
    why: why.slice(0, maxWhyChars),
    at: new Date(atMs).toISOString(),
    attempts,
    ...pathFields('from', from),
    ...pathFields('set_aside_to', to),
    size_bytes: sizeBytes,
    longshore_version: version,
  }
  return `${JSON.stringify(content, undefined, 2)}\n`
}

/** The bytes are authoritative where a path is not UTF-8; the text is for people then. */
function pathFields(key: string, path: BytePath): Record<string, string> {
  const text = pathText(path)
  if (text !== undefined) return { [key]: text }
  return { [key]: showPath(path), [`${key}_base64`]: pathBytes(path).toString('base64') }
}

/** The paths in a sidecar, or undefined when this is not the text of one. */
export function parseSidecar(text: string): SidecarPaths | undefined {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  const fields = json as Record<string, unknown>
  const from = pathIn(fields, 'from')
  const to = pathIn(fields, 'set_aside_to')
  if (fields.longshore_why !== 1 || from === undefined || to === undefined) return undefined
  return { from, to }
}

function pathIn(fields: Record<string, unknown>, key: string): BytePath | undefined {
  const base64 = fields[`${key}_base64`]
  if (typeof base64 === 'string') {
    return Buffer.from(base64, 'base64').toString('latin1') as BytePath
  }
  const text = fields[key]
  return typeof text === 'string' ? bytePath(text) : undefined
}
