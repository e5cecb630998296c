import { isUtf8 } from 'node:buffer'
import { WireError } from './wire-error.ts'

/** RFC 8187: a charset, a language that may be missing, and bytes that are percent-encoded. */
const extendedValue = /^utf-8'[^']*'((?:%[0-9a-f]{2}|[^%'"\s])+)$/i

/**
 * The bytes that Content-Disposition gives for a file's name, one char per byte, or undefined when it
 * names none. `filename*` counts before `filename` (RFC 6266 section 4.3).
 *
 * @param place - Whether it is the field of a part of a form or of a request.
 * @throws WireError when only a `filename*` is there and it cannot be read: the name must not silently
 *   be another, or none
 */
export function fileNameFrom(
  parameters: ReadonlyMap<string, string>,
  place: 'form' | 'request',
): string | undefined {
  const extended = parameters.get('filename*')
  const plain = parameters.get('filename')
  const decoded = extended === undefined ? undefined : decodeExtended(extended)
  if (decoded !== undefined) return decoded
  if (plain !== undefined) return place === 'form' ? decodeFormFileName(plain) : plain
  if (extended === undefined) return undefined
  const code = place === 'form' ? 'bad_multipart' : 'bad_request'
  throw new WireError(code, "filename* of Content-Disposition is not UTF-8'' and encoded bytes")
}

function decodeExtended(value: string): string | undefined {
  const encoded = extendedValue.exec(value)?.[1]
  if (encoded === undefined) return undefined
  const bytes = encoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return isUtf8(Buffer.from(bytes, 'latin1')) ? bytes : undefined
}

/**
 * Undoes what browsers (WHATWG HTML, multipart/form-data encoding algorithm) and curl do to a name in a
 * form: exactly these three are escaped there, and a percent sign is not.
 */
function decodeFormFileName(name: string): string {
  return name.replaceAll('%22', '"').replaceAll('%0D', '\r').replaceAll('%0A', '\n')
}
