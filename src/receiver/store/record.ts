import { crc32 } from 'node:zlib'
import type { Digest } from '../../base/hash.ts'
import { digestBytes, maxFilesPerMessage } from '../../wire/limits.ts'
import { MsgpackError, MsgpackReader } from '../../wire/msgpack-reader.ts'
import { MsgpackWriter } from '../../wire/msgpack-writer.ts'
import { type Outcome, readOutcome, writeOutcome } from '../../wire/outcome.ts'

/*
 * A segment is `LONGSEG1` and then records, one after another:
 *
 *   record  := block("LSRH", head) message block("LSRT", trailer)
 *   block   := magic(4) length(4, big endian) payload(length) crc32 of payload(4, big endian)
 *   head    := [format, machine, upload id, received at ms, content type, disposition, message length]
 *   trailer := [format, message length, BLAKE3 over its parts' hashes, [outcome ...]]
 *
 * The message is stored as it arrived. A record without a valid trailer was never acknowledged. The
 * length in a head has a fixed width: where the sender tells it only at the end, it is written then.
 */

export const segmentMagic = Buffer.from('LONGSEG1', 'latin1')
const headMagic = 0x4c535248
const trailerMagic = 0x4c535254
const recordFormat = 1
const blockOverheadBytes = 12
/** A trailer holds up to 1,024 outcomes of some 40 bytes; a head a few labels. */
const maxBlockBytes = 1024 * 1024
const maxMachineBytes = 256
/** Stands in a head until the length is known. */
export const unknownMessageBytes: number = Number.MAX_SAFE_INTEGER

/** What a head has room for: the server refuses requests with more. */
export const maxContentTypeBytes = 1024
export const maxContentDispositionBytes = 8192

export interface RecordHead {
  readonly machine: string
  readonly uploadId: Digest
  readonly receivedAtMs: number
  /** Of the request, verbatim: the boundary stands in it. */
  readonly contentType: string
  readonly contentDisposition: string
  readonly messageBytes: number
}

export interface RecordTrailer {
  readonly messageBytes: number
  readonly messageDigest: Digest
  readonly outcomes: readonly Outcome[]
}

/** @throws RangeError rather than write a head that {@link readRecordHead} would not take. */
export function encodeRecordHead(head: RecordHead): Buffer {
  if (
    Buffer.byteLength(head.machine) > maxMachineBytes ||
    Buffer.byteLength(head.contentType) > maxContentTypeBytes ||
    Buffer.byteLength(head.contentDisposition) > maxContentDispositionBytes
  ) {
    throw new RangeError('a label is too long for the head of a record')
  }
  const out = new MsgpackWriter(512)
  out.array(7)
  out.int(recordFormat)
  out.text(head.machine)
  out.binary(Buffer.from(head.uploadId, 'hex'))
  out.int(head.receivedAtMs)
  out.text(head.contentType)
  out.text(head.contentDisposition)
  out.wideUint(head.messageBytes)
  return block(headMagic, out.bytes())
}

export function encodeRecordTrailer(trailer: RecordTrailer): Buffer {
  const out = new MsgpackWriter(128 + trailer.outcomes.length * 48)
  out.array(4)
  out.int(recordFormat)
  out.int(trailer.messageBytes)
  out.binary(Buffer.from(trailer.messageDigest, 'hex'))
  out.array(trailer.outcomes.length)
  for (const outcome of trailer.outcomes) writeOutcome(out, outcome)
  return block(trailerMagic, out.bytes())
}

function block(magic: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(payload.length + blockOverheadBytes)
  bytes.writeUInt32BE(magic, 0)
  bytes.writeUInt32BE(payload.length, 4)
  payload.copy(bytes, 8)
  bytes.writeUInt32BE(crc32(payload), 8 + payload.length)
  return bytes
}

/** Reads `sizeBytes` at `offset`, fewer only at the end of the segment. */
export type ReadAt = (offset: number, sizeBytes: number) => Promise<Buffer>

export interface Decoded<T> {
  readonly value: T
  /** Where the block ends. */
  readonly end: number
}

/** Undefined when no valid head stands at `offset`. */
export function readRecordHead(
  readAt: ReadAt,
  offset: number,
): Promise<Decoded<RecordHead> | undefined> {
  return readBlock(readAt, offset, headMagic, (from) => {
    from.tuple(7)
    if (from.uint(0xffff) !== recordFormat) throw new MsgpackError('unknown format')
    return {
      machine: from.text(maxMachineBytes),
      uploadId: readDigest(from),
      receivedAtMs: from.uint(Number.MAX_SAFE_INTEGER),
      contentType: from.text(maxContentTypeBytes),
      contentDisposition: from.text(maxContentDispositionBytes),
      messageBytes: from.uint(Number.MAX_SAFE_INTEGER),
    }
  })
}

/** Undefined when no valid trailer stands at `offset`. */
export function readRecordTrailer(
  readAt: ReadAt,
  offset: number,
): Promise<Decoded<RecordTrailer> | undefined> {
  return readBlock(readAt, offset, trailerMagic, (from) => {
    from.tuple(4)
    if (from.uint(0xffff) !== recordFormat) throw new MsgpackError('unknown format')
    const messageBytes = from.uint(Number.MAX_SAFE_INTEGER)
    const messageDigest = readDigest(from)
    const outcomes: Outcome[] = []
    for (let left = from.array(maxFilesPerMessage); left > 0; left -= 1) {
      outcomes.push(readOutcome(from))
    }
    return { messageBytes, messageDigest, outcomes }
  })
}

function readDigest(from: MsgpackReader): Digest {
  const bytes = from.binary(digestBytes)
  if (bytes.length !== digestBytes) throw new MsgpackError('a digest has the wrong length')
  return bytes.toString('hex')
}

async function readBlock<T>(
  readAt: ReadAt,
  offset: number,
  magic: number,
  decode: (from: MsgpackReader) => T,
): Promise<Decoded<T> | undefined> {
  const start = await readAt(offset, 8)
  if (start.length < 8 || start.readUInt32BE(0) !== magic) return undefined
  const size = start.readUInt32BE(4)
  if (size > maxBlockBytes) return undefined
  const rest = await readAt(offset + 8, size + 4)
  if (rest.length < size + 4) return undefined
  const payload = rest.subarray(0, size)
  if (rest.readUInt32BE(size) !== crc32(payload)) return undefined
  try {
    const from = new MsgpackReader(payload)
    const value = decode(from)
    from.end()
    return { value, end: offset + size + blockOverheadBytes }
  } catch (error) {
    if (error instanceof MsgpackError) return undefined
    throw error
  }
}
