import type { BytePath } from '../base/byte-path.ts'
import type { Candidate } from '../scan/candidate.ts'
import type { UploadProgress } from '../wire/thread-messages.ts'
import { singleUploadBytes } from './next-upload.ts'
import type { ShardKind } from './work-queue.ts'

export interface UploadUnderWay {
  readonly shardId: number
  readonly kind: ShardKind
  readonly candidates: readonly Candidate[]
  readonly sizeBytes: number
  readonly startedAtMs: number
  /** The gate's round in which it was started. */
  readonly round: number
  /** Of its message, what the receiver has since an earlier try included. */
  sentBytes: number
  /** Where this try went on. */
  fromByte: number
  /** When it was last heard of. */
  movedAtMs: number
}

/** What an upload under way looks like from outside. */
export interface UploadView {
  readonly path: BytePath
  readonly files: number
  readonly sizeBytes: number
  readonly sentBytes: number
}

/** The uploads under way, and what they take up together. */
export class UploadsUnderWay {
  readonly #uploads = new Map<number, UploadUnderWay>()
  #singles = 0
  #bytes = 0

  get count(): number {
    return this.#uploads.size
  }

  /** How many of them are large files. */
  get singles(): number {
    return this.#singles
  }

  /** Read and not yet acknowledged. */
  get bytes(): number {
    return this.#bytes
  }

  add(
    upload: Omit<UploadUnderWay, 'sizeBytes' | 'sentBytes' | 'fromByte' | 'movedAtMs'>,
  ): UploadUnderWay {
    const sizeBytes = upload.candidates.reduce((sum, file) => sum + file.sizeBytes, 0)
    const added = { ...upload, sizeBytes, sentBytes: 0, fromByte: 0, movedAtMs: upload.startedAtMs }
    this.#uploads.set(upload.shardId, added)
    this.#count(added, 1)
    return added
  }

  remove(upload: UploadUnderWay): void {
    if (this.#uploads.delete(upload.shardId)) this.#count(upload, -1)
  }

  /** Notes how far one is, and returns it if it is still under way. */
  progress(
    { shardId, sentBytes, fromByte = 0 }: UploadProgress,
    nowMs: number,
  ): UploadUnderWay | undefined {
    const upload = this.#uploads.get(shardId)
    if (upload === undefined) return undefined
    upload.sentBytes = sentBytes
    upload.fromByte = fromByte
    upload.movedAtMs = nowMs
    return upload
  }

  some(matches: (upload: UploadUnderWay) => boolean): boolean {
    return [...this.#uploads.values()].some(matches)
  }

  views(): readonly UploadView[] {
    return [...this.#uploads.values()].map(({ candidates, sizeBytes, sentBytes }) => ({
      path: candidates[0]!.path,
      files: candidates.length,
      sizeBytes,
      sentBytes,
    }))
  }

  #count({ kind, sizeBytes }: UploadUnderWay, sign: 1 | -1): void {
    this.#bytes += sign * (kind === 'single' ? singleUploadBytes : sizeBytes)
    if (kind === 'single') this.#singles += sign
  }
}
