/** RFC 9457 problem document, as far as both ends use it. */
export interface Problem {
  /** A stable code: the last segment of `type`, with underscores where a registered type has hyphens. */
  readonly code: string
  readonly status: number
  /** What happened and what to do, for people. */
  readonly detail: string
  /** Further members, which a registered type may have (RFC 9457 section 3.2). */
  readonly members?: Readonly<Record<string, number>>
}

export const problemContentType = 'application/problem+json'
const typePrefix = 'urn:longshore:problem:'

/** What draft-ietf-httpbis-resumable-upload registers: clients that are not ours know these by type. */
const registeredPrefix = 'https://iana.org/assignments/http-problem-types#'
const registeredCodes: ReadonlySet<string> = new Set([
  'mismatching_upload_offset',
  'completed_upload',
  'inconsistent_upload_length',
])

export function problemAsJson({ code, status, detail, members }: Problem): string {
  const title = code.replaceAll('_', ' ')
  return JSON.stringify({ type: typeOf(code), title, status, detail, ...members })
}

function typeOf(code: string): string {
  return registeredCodes.has(code)
    ? registeredPrefix + code.replaceAll('_', '-')
    : typePrefix + code
}

/**
 * Reads a problem document; anything else (a proxy's page) becomes one with the code `unknown`. The
 * detail is made safe to show on a terminal.
 */
export function problemFrom(status: number, contentType: string, body: string): Problem {
  if (contentType.startsWith(problemContentType)) {
    try {
      const { type, detail } = JSON.parse(body) as { type?: unknown; detail?: unknown }
      const code = typeof type === 'string' ? codeOf(type) : undefined
      if (code !== undefined) {
        return { code, status, detail: typeof detail === 'string' ? oneLine(detail) : '' }
      }
    } catch {
      // Not JSON after all: handled as any other answer that is not ours.
    }
  }
  return { code: 'unknown', status, detail: `HTTP status ${status} without a problem document` }
}

const ourType = new RegExp(`^${typePrefix}([a-z0-9_]{1,64})$`)

function codeOf(type: string): string | undefined {
  if (!type.startsWith(registeredPrefix)) return ourType.exec(type)?.[1]
  const code = type.slice(registeredPrefix.length).replaceAll('-', '_')
  return registeredCodes.has(code) ? code : undefined
}

function oneLine(text: string): string {
  return text.slice(0, 1000).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
}
