import type { FileIdentity } from '../src/base/file-identity.ts'
import type { Digest } from '../src/base/hash.ts'
import { MsgpackError } from '../src/wire/msgpack-reader.ts'
import { decodeOutcomes } from '../src/wire/outcome.ts'
import type { FileResult, ShardResult } from '../src/wire/thread-messages.ts'
import type { LaneAnswer } from './lane.ts'

interface SentFile {
  readonly index: number
  readonly identity: FileIdentity
  readonly digest: Digest
}

/** Puts the receiver's word on each file that was sent beside what was read of it here. */
export function answeredFiles(
  results: readonly FileResult[],
  sent: readonly SentFile[],
  answer: LaneAnswer,
): ShardResult {
  try {
    const outcomes = decodeOutcomes(answer.body, sent.length)
    const files = [...results]
    sent.forEach(({ index, identity, digest }, position) => {
      files[index] = { status: 'answered', outcome: outcomes[position]!, digest, identity }
    })
    return { files, failure: undefined }
  } catch (error) {
    if (!(error instanceof MsgpackError)) throw error
    const detail = `the receiver's answer cannot be read: ${error.message}`
    return { files: results, failure: { kind: 'answer_unreadable', detail } }
  }
}
