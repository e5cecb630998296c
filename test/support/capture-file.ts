/**
 * Writes Viam capture files as its data manager does: a header record, then one record per message.
 * Independent of the reader in src/capture, so that each checks the other.
 */

export interface CaptureFileHeader {
  readonly componentType: string
  readonly componentName: string
  readonly methodName: string
  /** 1 = binary, 2 = tabular, 3 = file. */
  readonly type: number
  readonly tags?: readonly string[]
  readonly fileExtension?: string
  readonly mimeType?: string
  /** Each value becomes an Any holding a `google.protobuf.StringValue`. */
  readonly methodParameters?: Readonly<Record<string, string>>
}

export type StructValue =
  | null
  | number
  | string
  | boolean
  | readonly StructValue[]
  | { readonly [key: string]: StructValue }

export type CaptureMessage = {
  /** Milliseconds since 1970; both times default to 2024-01-02T15:04:05Z. */
  readonly requestedAtMs?: number
  readonly receivedAtMs?: number
} & (
  | { readonly readings: { readonly [key: string]: StructValue } }
  | { readonly binary: Uint8Array }
)

const defaultTimeMs = Date.UTC(2024, 0, 2, 15, 4, 5)

/** The bytes of a capture file. `readings` is wrapped as the sensor collector does it. */
export function captureFile(header: CaptureFileHeader, messages: CaptureMessage[]): Buffer {
  return Buffer.concat([
    delimited(encodeHeader(header)),
    ...messages.map((message) => delimited(encodeSensorData(message))),
  ])
}

export interface CaptureFileName {
  readonly componentType: string
  readonly componentName: string
  readonly methodName: string
  readonly atMs?: number
  /** Sub-millisecond part of the time, 0 to 999. */
  readonly micros?: number
  readonly extension?: '.capture' | '.prog'
}

/** Where Viam puts such a file below `dir`, with a UTC time: colons become underscores. */
export function captureFilePath(dir: string, name: CaptureFileName): string {
  const { atMs = defaultTimeMs, micros = 0, extension = '.capture' } = name
  const time = new Date(atMs).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`)
  const { componentType, componentName, methodName } = name
  const below = [componentType, componentName, methodName, time].join('/').replaceAll(':', '_')
  return `${dir}/${below}${extension}`
}

function encodeHeader(header: CaptureFileHeader): Buffer {
  return Buffer.concat([
    text(1, header.componentType),
    text(2, header.componentName),
    text(4, header.methodName),
    numberUnlessZero(5, header.type),
    ...Object.entries(header.methodParameters ?? {}).map(([key, value]) =>
      bytes(6, Buffer.concat([bytes(1, Buffer.from(key)), bytes(2, stringAny(value))])),
    ),
    text(7, header.fileExtension ?? ''),
    ...(header.tags ?? []).map((tag) => bytes(8, Buffer.from(tag))),
    text(10, header.mimeType ?? ''),
  ])
}

function encodeSensorData(message: CaptureMessage): Buffer {
  const metadata = Buffer.concat([
    bytes(1, timestamp(message.requestedAtMs ?? defaultTimeMs)),
    bytes(2, timestamp(message.receivedAtMs ?? defaultTimeMs)),
  ])
  return Buffer.concat([
    bytes(1, metadata),
    'binary' in message
      ? bytes(3, message.binary)
      : bytes(2, struct({ readings: message.readings })),
  ])
}

function stringAny(value: string): Buffer {
  return Buffer.concat([
    text(1, 'type.googleapis.com/google.protobuf.StringValue'),
    bytes(2, text(1, value)),
  ])
}

function timestamp(timeMs: number): Buffer {
  const seconds = Math.floor(timeMs / 1000)
  const nanos = Math.round((timeMs - seconds * 1000) * 1e6)
  return Buffer.concat([numberUnlessZero(1, seconds), numberUnlessZero(2, nanos)])
}

function struct(fields: { readonly [key: string]: StructValue }): Buffer {
  return Buffer.concat(
    Object.entries(fields).map(([key, value]) =>
      bytes(1, Buffer.concat([bytes(1, Buffer.from(key)), bytes(2, structValue(value))])),
    ),
  )
}

/** google.protobuf.Value: a oneof, so that zero, false and empty are written too. */
function structValue(value: StructValue): Buffer {
  if (value === null) return number(1, 0)
  if (typeof value === 'number') {
    const double = Buffer.alloc(8)
    double.writeDoubleLE(value)
    return Buffer.concat([varint(2 * 8 + 1), double])
  }
  if (typeof value === 'string') return bytes(3, Buffer.from(value))
  if (typeof value === 'boolean') return number(4, value ? 1 : 0)
  if (isList(value)) {
    return bytes(6, Buffer.concat(value.map((item) => bytes(1, structValue(item)))))
  }
  return bytes(5, struct(value))
}

function isList(value: StructValue): value is readonly StructValue[] {
  return Array.isArray(value)
}

function text(field: number, value: string): Buffer {
  return value === '' ? Buffer.alloc(0) : bytes(field, Buffer.from(value))
}

function numberUnlessZero(field: number, value: number): Buffer {
  return value === 0 ? Buffer.alloc(0) : number(field, value)
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)])
}

function bytes(field: number, value: Uint8Array): Buffer {
  return Buffer.concat([varint(field * 8 + 2), delimited(value)])
}

function delimited(value: Uint8Array): Buffer {
  return Buffer.concat([varint(value.length), value])
}

function varint(value: number): Buffer {
  const groups: number[] = []
  let rest = value
  while (rest >= 128) {
    groups.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  return Buffer.from([...groups, rest])
}
