import { isUtf8 } from 'node:buffer'
import { type BytePath, pathBytes } from '../base/byte-path.ts'
import type { Digest } from '../base/hash.ts'
import { digestBytes, maxFileSizeBytes, maxFilesPerMessage, protocolVersion } from './limits.ts'
import { MsgpackError, MsgpackReader } from './msgpack-reader.ts'
import { MsgpackWriter } from './msgpack-writer.ts'

/** Why one file of a message was not taken. */
export type RejectReason = 'digest_mismatch' | 'name_not_allowed'

/** The receiver's word on one file, with the size and hash that it computed from what arrived. */
export interface Outcome {
  readonly status: 'stored' | 'already_stored' | 'rejected'
  /** Only for `rejected`. */
  readonly reason?: RejectReason
  readonly sizeBytes: number
  readonly digest: Digest
  /** Only where the sender sent no manifest, so that it learns under which path the file stands. */
  readonly path?: BytePath
}

/** The codes on the wire and in segments. Never renumber. */
const codes = ['stored', 'already_stored', 'digest_mismatch', 'name_not_allowed'] as const

/** Writes `[code, size, digest]`. */
export function writeOutcome(out: MsgpackWriter, outcome: Outcome): void {
  out.array(3)
  out.int(codes.indexOf(outcome.reason ?? (outcome.status as 'stored' | 'already_stored')))
  out.int(outcome.sizeBytes)
  out.binary(Buffer.from(outcome.digest, 'hex'))
}

/** @throws MsgpackError */
export function readOutcome(from: MsgpackReader): Outcome {
  from.tuple(3)
  const code = codes[from.uint(codes.length - 1)]!
  const sizeBytes = from.uint(maxFileSizeBytes)
  const bytes = from.binary(digestBytes)
  if (bytes.length !== digestBytes) throw new MsgpackError('a digest has the wrong length')
  const digest = bytes.toString('hex')
  if (code === 'stored' || code === 'already_stored') return { status: code, sizeBytes, digest }
  return { status: 'rejected', reason: code, sizeBytes, digest }
}

/** The answer to a complete message: `[version, [outcome ...]]`, in the order of the manifest. */
export function encodeOutcomes(outcomes: readonly Outcome[]): Buffer {
  const out = new MsgpackWriter(64 + outcomes.length * 48)
  out.array(2)
  out.int(protocolVersion)
  out.array(outcomes.length)
  for (const outcome of outcomes) writeOutcome(out, outcome)
  return out.bytes()
}

/** @throws MsgpackError when it is not an answer for exactly `fileCount` files. */
export function decodeOutcomes(bytes: Uint8Array, fileCount: number): Outcome[] {
  const from = new MsgpackReader(bytes)
  from.tuple(2)
  if (from.uint(0xffff) !== protocolVersion) throw new MsgpackError('unknown version')
  const count = from.array(maxFilesPerMessage)
  if (count !== fileCount) {
    throw new MsgpackError(`expected the outcomes of ${fileCount} files, found ${count}`)
  }
  const outcomes: Outcome[] = []
  for (let index = 0; index < count; index += 1) outcomes.push(readOutcome(from))
  from.end()
  return outcomes
}

/** The same answer for people and other clients, with the paths that only the receiver knows. */
export function outcomesAsJson(outcomes: readonly Outcome[]): string {
  return JSON.stringify({
    outcomes: outcomes.map(({ status, reason, path, sizeBytes, digest }) => ({
      status,
      ...(reason !== undefined && { reason }),
      ...(path !== undefined && pathAsJson(path)),
      size: sizeBytes,
      blake3: digest,
    })),
  })
}

function pathAsJson(path: BytePath): { path: string; path_base64?: string } {
  const bytes = pathBytes(path)
  const text = bytes.toString('utf8')
  return isUtf8(bytes) ? { path: text } : { path: text, path_base64: bytes.toString('base64') }
}
