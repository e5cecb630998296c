import { readSync } from 'node:fs'
import { readFields, readVarint, type WireField, wireText, wireTypes } from './protobuf-wire.ts'

/** How much of a file is read to find its header: nearly all headers are below 300 bytes. */
export const captureHeaderReadBytes = 4096

/** A header record that announces more than this is not taken for one. */
const captureHeaderMaxBytes = 64 * 1024

const captureTypes = { binary: 1, tabular: 2, file: 3 } as const
type CaptureType = (typeof captureTypes)[keyof typeof captureTypes]

/** A `google.protobuf.Any` under its name, still packed. */
interface MethodParameter {
  readonly name: string
  readonly typeUrl: string
  readonly value: Uint8Array
}

/** What a capture file says of itself: `viam.app.datasync.v1.DataCaptureMetadata`. */
export interface CaptureHeader {
  /** Such as `rdk:component:camera`. */
  readonly componentType: string
  readonly componentName: string
  readonly methodName: string
  readonly type: CaptureType
  /** Sorted by name. */
  readonly methodParameters: readonly MethodParameter[]
  /** With its dot, or empty. */
  readonly fileExtension: string
  /** In the file's order. */
  readonly tags: readonly string[]
  /** Empty in files of older versions and in tabular ones. */
  readonly mimeType: string
}

/** The header may be there, but more bytes from the start of the file are needed to tell. */
export interface HeaderNeedsMore {
  readonly needBytes: number
}

const maxLengthBytes = 5

/**
 * Reads the header record from the beginning of a Viam capture file (rdk, data/capture_file.go: a
 * uvarint length, then the message). Undefined when this is not a capture file: the format has no
 * magic number, so the message must parse to its last byte, all texts must be UTF-8, and component
 * type, method and a known type must be there. Fields added by newer versions are skipped.
 * Never throws; the result shares no memory with `prefix`.
 */
export function parseCaptureHeader(
  prefix: Uint8Array,
): CaptureHeader | HeaderNeedsMore | undefined {
  const length = readVarint(prefix, 0, maxLengthBytes)
  if (typeof length === 'string') return undefined
  // The writer uses the shortest form, so a length that ends in a zero group is something else.
  const isOverlong = length.next > 1 && prefix[length.next - 1] === 0
  if (isOverlong || length.value === 0 || length.value > captureHeaderMaxBytes) return undefined

  const draft = emptyDraft()
  const record = prefix.subarray(length.next, length.next + length.value)
  const end = readFields(record, (field) => takeField(draft, field), length.value)
  if (end === 'malformed') return undefined
  if (record.length < length.value) return { needBytes: length.next + length.value }
  return end === 'complete' ? finish(draft) : undefined
}

/**
 * Reads the header of an open file: 4 KiB, or up to 64 KiB where what is in those 4 KiB is the
 * beginning of a longer header. Does not move the file's position. Undefined when it is not a
 * capture file; throws the system's error when it cannot be read.
 */
export function readCaptureHeader(fd: number): CaptureHeader | undefined {
  const first = parseCaptureHeader(readPrefix(fd, captureHeaderReadBytes))
  if (first === undefined || !('needBytes' in first)) return first
  if (first.needBytes <= captureHeaderReadBytes) return undefined
  const second = parseCaptureHeader(readPrefix(fd, first.needBytes))
  return second === undefined || 'needBytes' in second ? undefined : second
}

function readPrefix(fd: number, sizeBytes: number): Uint8Array {
  const buffer = Buffer.allocUnsafe(sizeBytes)
  let filled = 0
  while (filled < sizeBytes) {
    const read = readSync(fd, buffer, filled, sizeBytes - filled, filled)
    if (read === 0) break
    filled += read
  }
  return buffer.subarray(0, filled)
}

/** Field numbers of the proto (viam.app.datasync.v1.DataCaptureMetadata); 3 and 9 are retired. */
const fields = {
  componentType: 1,
  componentName: 2,
  methodName: 4,
  type: 5,
  methodParameters: 6,
  fileExtension: 7,
  tags: 8,
  mimeType: 10,
} as const

const singleTexts = new Set<number>([
  fields.componentType,
  fields.componentName,
  fields.methodName,
  fields.fileExtension,
  fields.mimeType,
])

/** What has been read so far. A field that is repeated although it should not be: the last counts. */
interface Draft {
  type: number
  readonly texts: Map<number, string>
  readonly tags: string[]
  readonly parameters: Map<string, MethodParameter>
}

function emptyDraft(): Draft {
  return { type: 0, texts: new Map(), tags: [], parameters: new Map() }
}

function takeField(draft: Draft, field: WireField): boolean {
  if (singleTexts.has(field.number) || field.number === fields.tags) {
    const text = wireText(field)
    if (text === undefined) return false
    if (field.number === fields.tags) draft.tags.push(text)
    else draft.texts.set(field.number, text)
  } else if (field.number === fields.type) {
    draft.type = field.value
    return field.type === wireTypes.varint
  } else if (field.number === fields.methodParameters) {
    const parameter = parseParameter(field)
    if (parameter === undefined) return false
    draft.parameters.set(parameter.name, parameter)
  }
  return true
}

/** One entry of `map<string, google.protobuf.Any>`. */
function parseParameter(field: WireField): MethodParameter | undefined {
  if (field.type !== wireTypes.bytes) return undefined
  let name: string | undefined = ''
  let typeUrl: string | undefined = ''
  let value = new Uint8Array(0)
  const takeAny = (part: WireField): boolean => {
    if (part.number === 1) typeUrl = wireText(part)
    if (part.number === 2) value = new Uint8Array(part.bytes)
    return typeUrl !== undefined && (part.number !== 2 || part.type === wireTypes.bytes)
  }
  const end = readFields(field.bytes, (part) => {
    if (part.number === 1) name = wireText(part)
    if (part.number !== 2) return name !== undefined
    return part.type === wireTypes.bytes && readFields(part.bytes, takeAny) === 'complete'
  })
  return end === 'complete' ? { name, typeUrl, value } : undefined
}

function finish({ type, texts, tags, parameters }: Draft): CaptureHeader | undefined {
  const componentType = texts.get(fields.componentType) ?? ''
  const methodName = texts.get(fields.methodName) ?? ''
  if (type !== captureTypes.binary && type !== captureTypes.tabular && type !== captureTypes.file) {
    return undefined
  }
  if (componentType === '' || methodName === '') return undefined
  return {
    componentType,
    componentName: texts.get(fields.componentName) ?? '',
    methodName,
    type,
    methodParameters: [...parameters.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    fileExtension: texts.get(fields.fileExtension) ?? '',
    tags,
    mimeType: texts.get(fields.mimeType) ?? '',
  }
}
