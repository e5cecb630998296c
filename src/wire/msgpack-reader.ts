import { isUtf8 } from 'node:buffer'

/** Thrown by {@link MsgpackReader}; the caller knows what the bytes were and names it. */
export class MsgpackError extends Error {
  override readonly name = 'MsgpackError'
}

/**
 * Reads MessagePack that came from the network: the caller asks for what must come next, and anything
 * else is an error. No maps, no floats, no extensions, no nesting but what the caller walks, and
 * nothing is allocated before the bytes for it are seen. (Why not msgpackr: docs/decisions/0002.)
 */
export class MsgpackReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** The count of an array's entries; each takes at least one byte, so more than are left is an error. */
  array(maxCount: number): number {
    const tag = this.#byte()
    let count: number
    if ((tag & 0xf0) === 0x90) count = tag & 0x0f
    else if (tag === 0xdc) count = this.#uint(2)
    else if (tag === 0xdd) count = this.#uint(4)
    else throw this.#unexpected('an array', tag)
    if (count > maxCount) {
      throw new MsgpackError(`expected at most ${maxCount} entries, found ${count}`)
    }
    if (count > this.#buffer.length - this.#at) throw new MsgpackError('array is cut short')
    return count
  }

  /** An array of exactly `count` entries. */
  tuple(count: number): void {
    const found = this.array(0xffff_ffff)
    if (found !== count) throw new MsgpackError(`expected ${count} fields, found ${found}`)
  }

  /** Consumes a nil if one comes next. */
  nilNext(): boolean {
    if (this.#buffer[this.#at] !== 0xc0) return false
    this.#at += 1
    return true
  }

  /** A non-negative integer of at most `max` (itself at most 2^53-1). */
  uint(max: number): number {
    const value = this.#smallUint() ?? this.bigint()
    if (value < 0 || value > max) {
      throw new MsgpackError(`expected an integer from 0 to ${max}, found ${value}`)
    }
    return Number(value)
  }

  /** Nearly every number, without the cost of a bigint; undefined when it is not of up to 32 bits. */
  #smallUint(): number | undefined {
    const tag = this.#buffer[this.#at]
    if (tag === undefined || (tag >= 0x80 && (tag < 0xcc || tag > 0xce))) return undefined
    this.#at += 1
    if (tag < 0x80) return tag
    return this.#uint(tag === 0xcc ? 1 : tag === 0xcd ? 2 : 4)
  }

  /** An integer of at most 64 bits, signed. */
  bigint(): bigint {
    const tag = this.#byte()
    if (tag < 0x80) return BigInt(tag)
    if (tag >= 0xe0) return BigInt(tag - 0x100)
    switch (tag) {
      case 0xcc:
        return BigInt(this.#uint(1))
      case 0xcd:
        return BigInt(this.#uint(2))
      case 0xce:
        return BigInt(this.#uint(4))
      case 0xcf: {
        const value = this.#buffer.readBigUInt64BE(this.#take(8))
        if (value > 0x7fff_ffff_ffff_ffffn) throw new MsgpackError('integer is over 63 bits')
        return value
      }
      case 0xd0:
        return BigInt(this.#buffer.readInt8(this.#take(1)))
      case 0xd1:
        return BigInt(this.#buffer.readInt16BE(this.#take(2)))
      case 0xd2:
        return BigInt(this.#buffer.readInt32BE(this.#take(4)))
      case 0xd3:
        return this.#buffer.readBigInt64BE(this.#take(8))
      default:
        throw this.#unexpected('an integer', tag)
    }
  }

  text(maxBytes: number): string {
    const tag = this.#byte()
    let size: number
    if ((tag & 0xe0) === 0xa0) size = tag & 0x1f
    else if (tag === 0xd9) size = this.#uint(1)
    else if (tag === 0xda) size = this.#uint(2)
    else if (tag === 0xdb) size = this.#uint(4)
    else throw this.#unexpected('a text', tag)
    const bytes = this.#slice(size, maxBytes)
    if (!isUtf8(bytes)) throw new MsgpackError('text is not UTF-8')
    return bytes.toString('utf8')
  }

  /** A view into the reader's bytes: copy it to keep it. */
  binary(maxBytes: number): Buffer {
    const tag = this.#byte()
    let size: number
    if (tag === 0xc4) size = this.#uint(1)
    else if (tag === 0xc5) size = this.#uint(2)
    else if (tag === 0xc6) size = this.#uint(4)
    else throw this.#unexpected('bytes', tag)
    return this.#slice(size, maxBytes)
  }

  end(): void {
    if (this.#at !== this.#buffer.length) {
      throw new MsgpackError(`${this.#buffer.length - this.#at} bytes too many`)
    }
  }

  #slice(size: number, maxBytes: number): Buffer {
    if (size > maxBytes) throw new MsgpackError(`expected at most ${maxBytes} bytes, found ${size}`)
    const start = this.#take(size)
    return this.#buffer.subarray(start, start + size)
  }

  #byte(): number {
    return this.#buffer[this.#take(1)]!
  }

  #uint(size: 1 | 2 | 4): number {
    return this.#buffer.readUIntBE(this.#take(size), size)
  }

  #take(size: number): number {
    const start = this.#at
    if (size > this.#buffer.length - start) throw new MsgpackError('ends too early')
    this.#at = start + size
    return start
  }

  #unexpected(expected: string, tag: number): MsgpackError {
    return new MsgpackError(
      `expected ${expected} at byte ${this.#at - 1}, found tag 0x${tag.toString(16)}`,
    )
  }
}
