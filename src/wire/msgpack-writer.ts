const minSafe = BigInt(Number.MIN_SAFE_INTEGER)
const maxSafe = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * Writes the part of MessagePack that the manifest uses, always in the shortest form, so that equal
 * values are equal bytes in every version of Longshore: the upload id is a hash of them.
 * https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export class MsgpackWriter {
  #buffer: Buffer
  #length = 0

  constructor(initialBytes = 4096) {
    this.#buffer = Buffer.allocUnsafe(initialBytes)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  /** A copy of what was written, owned by the caller. */
  bytes(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length))
  }

  nil(): void {
    this.#byte(0xc0)
  }

  array(count: number): void {
    if (count < 16) return this.#byte(0x90 | count)
    if (count < 0x1_0000) return this.#tagged16(0xdc, count)
    this.#tagged32(0xdd, count)
  }

  int(value: number | bigint): void {
    if (typeof value === 'bigint') {
      if (value >= minSafe && value <= maxSafe) return this.int(Number(value))
      return this.#int64(value)
    }
    if (value >= 0) {
      if (value < 0x80) return this.#byte(value)
      if (value < 0x100) return this.#tagged8(0xcc, value)
      if (value < 0x1_0000) return this.#tagged16(0xcd, value)
      if (value < 0x1_0000_0000) return this.#tagged32(0xce, value)
    } else {
      if (value >= -32) return this.#byte(value & 0xff)
      if (value >= -0x80) return this.#tagged8(0xd0, value & 0xff)
      if (value >= -0x8000) return this.#tagged16(0xd1, value & 0xffff)
      if (value >= -0x8000_0000) return this.#tagged32(0xd2, value >>> 0)
    }
    this.#int64(BigInt(value))
  }

  /** Always in nine bytes, so that another number can be put in its place later. */
  wideUint(value: number): void {
    this.#reserve(9)
    this.#buffer[this.#length] = 0xcf
    this.#buffer.writeBigUInt64BE(BigInt(value), this.#length + 1)
    this.#length += 9
  }

  text(value: string): void {
    const size = Buffer.byteLength(value, 'utf8')
    if (size < 32) this.#byte(0xa0 | size)
    else if (size < 0x100) this.#tagged8(0xd9, size)
    else if (size < 0x1_0000) this.#tagged16(0xda, size)
    else this.#tagged32(0xdb, size)
    this.#reserve(size)
    this.#length += this.#buffer.write(value, this.#length, size, 'utf8')
  }

  /** `value` has one char per byte (latin1), as a BytePath has. */
  binaryFromLatin1(value: string): void {
    this.#binaryHead(value.length)
    this.#reserve(value.length)
    this.#length += this.#buffer.write(value, this.#length, value.length, 'latin1')
  }

  binary(value: Uint8Array): void {
    this.#binaryHead(value.length)
    this.#reserve(value.length)
    this.#buffer.set(value, this.#length)
    this.#length += value.length
  }

  #binaryHead(size: number): void {
    if (size < 0x100) this.#tagged8(0xc4, size)
    else if (size < 0x1_0000) this.#tagged16(0xc5, size)
    else this.#tagged32(0xc6, size)
  }

  #int64(value: bigint): void {
    this.#reserve(9)
    if (value >= 0n) {
      this.#buffer[this.#length] = 0xcf
      this.#buffer.writeBigUInt64BE(value, this.#length + 1)
    } else {
      this.#buffer[this.#length] = 0xd3
      this.#buffer.writeBigInt64BE(value, this.#length + 1)
    }
    this.#length += 9
  }

  #byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#length++] = value
  }

  #tagged8(tag: number, value: number): void {
    this.#reserve(2)
    this.#buffer[this.#length++] = tag
    this.#buffer[this.#length++] = value
  }

  #tagged16(tag: number, value: number): void {
    this.#reserve(3)
    this.#buffer[this.#length++] = tag
    this.#length = this.#buffer.writeUInt16BE(value, this.#length)
  }

  #tagged32(tag: number, value: number): void {
    this.#reserve(5)
    this.#buffer[this.#length++] = tag
    this.#length = this.#buffer.writeUInt32BE(value, this.#length)
  }

  #reserve(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.#length)
    this.#buffer = grown
  }
}
