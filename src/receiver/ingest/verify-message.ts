import { blake3, type Digest, StreamHasher } from '../../base/hash.ts'
import { whyNameNotAllowed } from '../../wire/file-name.ts'
import type { Manifest } from '../../wire/manifest.ts'
import { MessageReader } from '../../wire/message-reader.ts'
import type { Outcome } from '../../wire/outcome.ts'
import { boundaryFrom } from '../../wire/part-header.ts'
import { WireError } from '../../wire/wire-error.ts'
import type { FileEntry } from '../store/catalog.ts'
import type { Verdict, Verifier } from './verdict.ts'

/**
 * Follows a message as it arrives: hashes each file and, at the end, compares with what the sender
 * declared. Bytes are looked at once, where they are; nothing is kept.
 */
export class MessageVerifier implements Verifier {
  readonly #reader: MessageReader
  readonly #digests: Digest[] = []
  readonly #offsets: number[] = []
  readonly #expectedId: Digest | undefined
  #manifest: Manifest | undefined
  #uploadId: Digest = ''
  #hasher: StreamHasher | undefined
  #fileStarted = false

  /**
   * @param expectedId - What the request said the upload id is, if it did.
   * @throws WireError `bad_content_type`
   */
  constructor(contentType: string | undefined, expectedId: Digest | undefined) {
    this.#expectedId = expectedId
    this.#reader = new MessageReader(boundaryFrom(contentType), {
      onManifest: (manifest, uploadId) => this.#onManifest(manifest, uploadId),
      onFileData: (index, bytes, offset) => this.#onFileData(index, bytes, offset),
      onFileEnd: (index) => this.#onFileEnd(index),
    })
  }

  /** The next bytes of the message; they are not kept. @throws WireError */
  push(piece: Buffer): void {
    this.#reader.push(piece)
  }

  /** Call when all declared bytes were pushed. @throws WireError when the message is not complete then. */
  finish(): Verdict {
    if (!this.#reader.complete || this.#manifest === undefined) {
      throw new WireError(
        'bad_multipart',
        'the message has no closing boundary at its declared end',
      )
    }
    const declared = this.#reader.digests
    const files: FileEntry[] = []
    const outcomes = this.#manifest.files.map((file, index): Outcome => {
      const digest = this.#digests[index]!
      const { sizeBytes } = file
      if (whyNameNotAllowed(file.path) !== undefined) {
        return { status: 'rejected', reason: 'name_not_allowed', sizeBytes, digest }
      }
      if (digest !== declared[index]) {
        return { status: 'rejected', reason: 'digest_mismatch', sizeBytes, digest }
      }
      files.push({ file, digest, offset: this.#offsets[index]! })
      return { status: 'stored', sizeBytes, digest }
    })
    const messageDigest = digestOfParts(this.#uploadId, this.#digests, declared)
    return { uploadId: this.#uploadId, files, outcomes, messageDigest }
  }

  #onManifest(manifest: Manifest, uploadId: Digest): void {
    if (this.#expectedId !== undefined && this.#expectedId !== uploadId) {
      throw new WireError(
        'upload_id_mismatch',
        'Idempotency-Key is not the BLAKE3 of the manifest that was sent',
      )
    }
    this.#manifest = manifest
    this.#uploadId = uploadId
  }

  #onFileData(index: number, bytes: Buffer, messageOffset: number): void {
    if (!this.#fileStarted) {
      this.#fileStarted = true
      this.#offsets[index] = messageOffset
      if (bytes.length === this.#manifest!.files[index]!.sizeBytes) {
        this.#digests[index] = blake3(bytes)
        return
      }
      this.#hasher = new StreamHasher()
    }
    this.#hasher!.update(bytes)
  }

  #onFileEnd(index: number): void {
    if (this.#hasher !== undefined) this.#digests[index] = this.#hasher.digest()
    else if (!this.#fileStarted) {
      this.#digests[index] = emptyDigest
      this.#offsets[index] = 0
    }
    this.#hasher = undefined
    this.#fileStarted = false
  }
}

/**
 * BLAKE3 of the hex of: the manifest's hash, each file's hash as it arrived, each as it was declared.
 * Everything else in a message is framing, which must be right for it to be read at all. Hashing the
 * bytes as a whole as well would have every byte hashed twice (docs/decisions/0004).
 */
function digestOfParts(
  manifestDigest: Digest,
  arrived: readonly Digest[],
  declared: readonly Digest[],
): Digest {
  return blake3(Buffer.from([manifestDigest, ...arrived, ...declared].join(''), 'latin1'))
}

const emptyDigest = blake3(Buffer.alloc(0))
