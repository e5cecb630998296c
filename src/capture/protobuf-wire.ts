import { isUtf8 } from 'node:buffer'

/** One field of a protobuf message. `value` is its varint, `bytes` its content; the other is empty. */
export interface WireField {
  readonly number: number
  readonly type: WireType
  /** Of a varint: its value, exact up to 2^53, rounded above. */
  readonly value: number
  /** Of a length-delimited field: a view of its bytes, not a copy. */
  readonly bytes: Uint8Array
}

export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const
type WireType = (typeof wireTypes)[keyof typeof wireTypes]

/**
 * How a message ended: `complete`, `cut` when its bytes stop inside a field, `malformed` when no
 * further bytes could make it valid.
 */
export type WireEnd = 'complete' | 'cut' | 'malformed'

const nothing = new Uint8Array(0)
const maxVarintBytes = 10
const maxTagBytes = 5

/**
 * Reads the fields of a protobuf message of `announcedBytes`, of which `bytes` is the beginning.
 * Hand-written because a device should not carry a protobuf library for one small message. Groups
 * (wire types 3 and 4), which proto3 never writes, count as malformed. Never throws, touches each
 * byte once, allocates nothing but the fields.
 *
 * @param visit gets each field in turn; false says that the field makes no sense here.
 */
export function readFields(
  bytes: Uint8Array,
  visit: (field: WireField) => boolean,
  announcedBytes = bytes.length,
): WireEnd {
  let at = 0
  while (at < bytes.length) {
    const tag = readVarint(bytes, at, maxTagBytes)
    if (typeof tag === 'string') return endOf(tag, bytes, announcedBytes)
    at = tag.next
    const number = Math.floor(tag.value / 8)
    if (number === 0 || tag.value > 0xffff_ffff) return 'malformed'
    const type = tag.value % 8
    let field: WireField
    if (type === wireTypes.varint) {
      const varint = readVarint(bytes, at, maxVarintBytes)
      if (typeof varint === 'string') return endOf(varint, bytes, announcedBytes)
      field = { number, type, value: varint.value, bytes: nothing }
      at = varint.next
    } else {
      const size = sizeOf(type, bytes, at)
      if (typeof size === 'string') return endOf(size, bytes, announcedBytes)
      const end = size.next + size.value
      if (end > announcedBytes) return 'malformed'
      if (end > bytes.length) return 'cut'
      field = { number, type: type as WireType, value: 0, bytes: bytes.subarray(size.next, end) }
      at = end
    }
    if (!visit(field)) return 'malformed'
  }
  return at === announcedBytes ? 'complete' : 'cut'
}

interface Varint {
  readonly value: number
  /** Where the byte after it is. */
  readonly next: number
}

/** Reads a base-128 varint at `at`: `cut` when the bytes end inside it, `malformed` when too long. */
export function readVarint(
  bytes: Uint8Array,
  at: number,
  maxBytes: number,
): Varint | 'cut' | 'malformed' {
  let value = 0
  let factor = 1
  for (let i = 0; i < maxBytes; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return 'cut'
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return { value, next: at + i + 1 }
    factor *= 128
  }
  return 'malformed'
}

/** The text of a `string` field, or undefined where it is not UTF-8, which proto3 demands. */
export function wireText(field: WireField): string | undefined {
  const { bytes } = field
  if (field.type !== wireTypes.bytes || !isUtf8(bytes)) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** The size of the content at `at`: of a length-delimited field after its length. */
function sizeOf(type: number, bytes: Uint8Array, at: number): Varint | 'cut' | 'malformed' {
  if (type === wireTypes.bytes) return readVarint(bytes, at, maxTagBytes)
  if (type === wireTypes.fixed64) return { value: 8, next: at }
  if (type === wireTypes.fixed32) return { value: 4, next: at }
  return 'malformed'
}

/** A number cut off by the end of the whole message cannot be completed by more bytes. */
function endOf(end: 'cut' | 'malformed', bytes: Uint8Array, announcedBytes: number): WireEnd {
  return end === 'cut' && bytes.length >= announcedBytes ? 'malformed' : end
}
