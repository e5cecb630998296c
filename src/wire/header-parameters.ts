/** The value of a header field like Content-Type or Content-Disposition. */
export interface ParameterisedValue {
  /** What stands before the parameters, in lower case: `form-data`. */
  readonly kind: string
  /** By their names in lower case. One char per byte, as the value. */
  readonly parameters: ReadonlyMap<string, string>
}

/** RFC 9110 section 5.6.6: what stands between two semicolons may also be nothing. */
const parameter = /\s*;\s*(?:([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*)?/y

/** Undefined when it cannot be read. */
export function readParameters(value: string): ParameterisedValue | undefined {
  const kind = value.split(';', 1)[0]!
  const parameters = new Map<string, string>()
  parameter.lastIndex = kind.length
  while (parameter.lastIndex < value.length) {
    const match = parameter.exec(value)
    if (match === null) return undefined
    const [, key, quoted, plain] = match
    if (key === undefined) continue
    // Only what must be escaped: browsers and curl send other backslashes of a name as they are.
    parameters.set(key.toLowerCase(), quoted?.replace(/\\(["\\])/g, '$1') ?? plain ?? '')
  }
  return { kind: kind.trim().toLowerCase(), parameters }
}
