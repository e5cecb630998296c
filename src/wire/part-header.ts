import { fileNameFrom } from './file-name-parameter.ts'
import { readParameters } from './header-parameters.ts'
import { WireError } from './wire-error.ts'

export interface PartHeader {
  /** The `name` parameter of Content-Disposition. */
  readonly name: string
  /** Lower case, without parameters; empty when the part has none. */
  readonly contentType: string
}

export interface FormPartHeader extends PartHeader {
  /** The file that the part is the content of, one char per byte; only where it says so. */
  readonly fileName?: string
}

/**
 * Reads the header lines of one part, without the empty line that ends them. RFC 7578 section 4.8:
 * everything but Content-Disposition and Content-Type is ignored.
 *
 * @throws WireError `bad_multipart`
 */
export function parsePartHeader(text: string): PartHeader {
  const { name, contentType } = readHeader(text)
  return { name, contentType }
}

/** The same where nothing but the part itself names its file. @throws WireError `bad_multipart` */
export function parseFormPartHeader(text: string): FormPartHeader {
  const { name, contentType, disposition } = readHeader(text)
  const fileName = fileNameFrom(disposition, 'form')
  return fileName === undefined ? { name, contentType } : { name, fileName, contentType }
}

function readHeader(text: string): PartHeader & { disposition: ReadonlyMap<string, string> } {
  let disposition: ReadonlyMap<string, string> | undefined
  let contentType = ''
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) throw new WireError('bad_multipart', 'a part has a header line without a name')
    const value = line.slice(colon + 1).trim()
    switch (line.slice(0, colon).toLowerCase()) {
      case 'content-disposition':
        disposition = formDataParameters(value)
        break
      case 'content-type':
        contentType = mediaType(value)
        break
    }
  }
  const name = disposition?.get('name')
  if (disposition === undefined || name === undefined) {
    throw new WireError('bad_multipart', 'a part has no name')
  }
  return { name, contentType, disposition }
}

function formDataParameters(value: string): ReadonlyMap<string, string> {
  const read = readParameters(value)
  if (read === undefined) throw new WireError('bad_multipart', 'form-data has a bad parameter')
  if (read.kind !== 'form-data') throw new WireError('bad_multipart', 'expected form-data')
  return read.parameters
}

/** The media type in a Content-Type, in lower case and without its parameters. */
export function mediaType(contentType: string): string {
  return contentType.split(';', 1)[0]!.trim().toLowerCase()
}

/** `boundary` of a request's Content-Type. @throws WireError `bad_content_type` */
export function boundaryFrom(contentType: string | undefined): string {
  const read = readParameters(contentType ?? '')
  const boundary =
    read?.kind === 'multipart/form-data' ? read.parameters.get('boundary') : undefined
  // RFC 2046 section 5.1.1: 1 to 70 of these, not ending in a space.
  if (
    boundary !== undefined &&
    /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary)
  ) {
    return boundary
  }
  throw new WireError(
    'bad_content_type',
    'expected Content-Type: multipart/form-data with a boundary of 1 to 70 characters',
  )
}
