import { WireError } from './wire-error.ts'

export interface PartHeader {
  /** The `name` parameter of Content-Disposition. */
  readonly name: string
  /** Lower case, without parameters; empty when the part has none. */
  readonly contentType: string
}

/**
 * Reads the header lines of one part, without the empty line that ends them. RFC 7578 section 4.8:
 * everything but Content-Disposition and Content-Type is ignored.
 *
 * @throws WireError `bad_multipart`
 */
export function parsePartHeader(text: string): PartHeader {
  let name: string | undefined
  let contentType = ''
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) throw new WireError('bad_multipart', 'a part has a header line without a name')
    const value = line.slice(colon + 1).trim()
    switch (line.slice(0, colon).toLowerCase()) {
      case 'content-disposition':
        name = parseParameters(value, 'form-data').get('name')
        break
      case 'content-type':
        contentType = value.split(';', 1)[0]!.trim().toLowerCase()
        break
    }
  }
  if (name === undefined) throw new WireError('bad_multipart', 'a part has no name')
  return { name, contentType }
}

/** `boundary` of a request's Content-Type. @throws WireError `bad_content_type` */
export function boundaryFrom(contentType: string | undefined): string {
  try {
    const boundary = parseParameters(contentType ?? '', 'multipart/form-data').get('boundary') ?? ''
    // RFC 2046 section 5.1.1: 1 to 70 of these, not ending in a space.
    if (/^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary)) return boundary
  } catch (error) {
    if (!(error instanceof WireError)) throw error
  }
  throw new WireError(
    'bad_content_type',
    'expected Content-Type: multipart/form-data with a boundary of 1 to 70 characters',
  )
}

/** RFC 9110 section 5.6.6: what stands between two semicolons may also be nothing. */
const parameter = /\s*;\s*(?:([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*)?/y

function parseParameters(value: string, expectedKind: string): Map<string, string> {
  const kind = value.split(';', 1)[0]!
  if (kind.trim().toLowerCase() !== expectedKind) {
    throw new WireError('bad_multipart', `expected ${expectedKind}`)
  }
  const parameters = new Map<string, string>()
  parameter.lastIndex = kind.length
  while (parameter.lastIndex < value.length) {
    const match = parameter.exec(value)
    if (match === null) throw new WireError('bad_multipart', `${expectedKind} has a bad parameter`)
    const [, key, quoted, plain] = match
    if (key === undefined) continue
    parameters.set(key.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
  }
  return parameters
}
