import { blake3, type Digest } from '../base/hash.ts'
import { HeldBytes } from './held-bytes.ts'
import { digestBytes, manifestContentType, maxManifestBytes } from './limits.ts'
import type { Manifest } from './manifest.ts'
import { decodeManifest } from './manifest-codec.ts'
import { decodeJsonManifest } from './manifest-json.ts'
import {
  afterFirstBoundary,
  afterLineEnd,
  delimiterOf,
  Epilogue,
  endOfPartHeader,
  isClosing,
} from './multipart-framing.ts'
import { filePartHead, unpackDigests } from './multipart-layout.ts'
import { type PartHeader, parsePartHeader } from './part-header.ts'
import { WireError } from './wire-error.ts'

/** What a {@link MessageReader} tells while a message arrives. What a method throws, `push` throws. */
export interface MessageSink {
  onManifest(manifest: Manifest, uploadId: Digest): void
  /**
   * The next bytes of a file, in order, and where in the message they stand. A view: it is valid
   * during the call only.
   */
  onFileData(fileIndex: number, bytes: Buffer, messageOffset: number): void
  onFileEnd(fileIndex: number): void
}

type State =
  | 'first boundary'
  | 'part header'
  | 'manifest'
  | 'file'
  | 'after a part'
  | 'digests'
  | 'tail'
  | 'complete'

/**
 * Reads one upload message as it arrives, in pieces of any size. Files are framed by the sizes in the
 * manifest, and each boundary must stand where that puts it: content is never searched. Memory: the
 * manifest (1 MiB at most) and the digests; pieces of files are handed on at once.
 *
 * A message that simply stops is not this class's business: whoever counts the declared bytes knows.
 */
export class MessageReader {
  readonly #sink: MessageSink
  readonly #delimiter: Buffer
  readonly #usualFileHead: Buffer
  #state: State = 'first boundary'
  #manifest: Manifest | undefined
  #manifestIsJson = false
  #digests: Digest[] | undefined
  #fileIndex = -1
  #fileBytesLeft = 0
  #pushedBytes = 0
  readonly #held = new HeldBytes()
  readonly #epilogue = new Epilogue()
  /** How much of a manifest's bytes were searched for its end already. */
  #searchedBytes = 0

  constructor(boundary: string, sink: MessageSink) {
    this.#sink = sink
    this.#delimiter = delimiterOf(boundary)
    this.#usualFileHead = Buffer.from(filePartHead(boundary), 'latin1')
  }

  /** True once the closing boundary has been read. */
  get complete(): boolean {
    return this.#state === 'complete'
  }

  /** The digests that the sender declared, one per file. Only when complete. */
  get digests(): readonly Digest[] {
    if (this.#digests === undefined) throw new Error('read before the message was complete')
    return this.#digests
  }

  /** @throws WireError when the bytes are not a message of this protocol; push nothing after that. */
  push(piece: Buffer): void {
    this.#pushedBytes += piece.length
    const bytes = this.#held.join(piece)
    let at = 0
    while (true) {
      const next = this.#step(bytes, at)
      if (next === undefined) break
      at = next
    }
    this.#held.keep(bytes, at)
  }

  /** Consumes one thing that starts at `at` and returns where it ends, or undefined for "more bytes". */
  #step(bytes: Buffer, at: number): number | undefined {
    switch (this.#state) {
      case 'first boundary':
        return this.#firstBoundary(bytes, at)
      case 'part header':
        return this.#partHeader(bytes, at)
      case 'manifest':
        return this.#manifestBody(bytes, at)
      case 'file':
        return this.#fileBody(bytes, at)
      case 'after a part':
        return this.#afterPart(bytes, at)
      case 'digests':
        return this.#digestsBody(bytes, at)
      case 'tail':
        return this.#tail(bytes, at)
      case 'complete':
        return this.#afterClose(bytes, at)
      default:
        return this.#state satisfies never
    }
  }

  #firstBoundary(bytes: Buffer, at: number): number | undefined {
    const end = afterFirstBoundary(bytes, at, this.#delimiter)
    if (end !== undefined) this.#state = 'part header'
    return end
  }

  #partHeader(bytes: Buffer, at: number): number | undefined {
    const end = endOfPartHeader(bytes, at)
    if (end === undefined) return undefined
    this.#startPart(parsePartHeader(bytes.toString('latin1', at, end)))
    return end + 4
  }

  #startPart({ name, contentType }: PartHeader): void {
    if (this.#manifest === undefined) {
      if (name !== 'manifest') throw unexpectedPart('manifest', name)
      if (contentType !== manifestContentType && contentType !== 'application/json') {
        throw new WireError(
          'bad_manifest',
          `expected a manifest of type ${manifestContentType} or application/json, found ${JSON.stringify(contentType)}`,
        )
      }
      this.#manifestIsJson = contentType === 'application/json'
      this.#state = 'manifest'
    } else if (this.#fileIndex + 1 < this.#manifest.files.length) {
      if (name !== 'file') throw unexpectedPart('file', name)
      this.#startFile(this.#manifest)
    } else {
      if (name !== 'digests') throw unexpectedPart('digests', name)
      this.#state = 'digests'
    }
  }

  #startFile(manifest: Manifest): void {
    this.#fileIndex += 1
    this.#fileBytesLeft = manifest.files[this.#fileIndex]!.sizeBytes
    this.#state = 'file'
  }

  #manifestBody(bytes: Buffer, at: number): number | undefined {
    const end = bytes.indexOf(this.#delimiter, at + this.#searchedBytes)
    // Of bytes without an end, the last may already belong to the delimiter.
    const atLeast = end === -1 ? bytes.length - this.#delimiter.length + 1 : end
    if (atLeast - at > maxManifestBytes) {
      throw new WireError('manifest_too_large', `the manifest has over ${maxManifestBytes} bytes`)
    }
    if (end === -1) {
      this.#searchedBytes = Math.max(0, bytes.length - at - this.#delimiter.length)
      return undefined
    }
    const encoded = bytes.subarray(at, end)
    this.#manifest = this.#manifestIsJson ? decodeJsonManifest(encoded) : decodeManifest(encoded)
    this.#sink.onManifest(this.#manifest, blake3(encoded))
    this.#state = 'after a part'
    return end
  }

  #fileBody(bytes: Buffer, at: number): number | undefined {
    if (this.#fileBytesLeft === 0) {
      this.#sink.onFileEnd(this.#fileIndex)
      this.#state = 'after a part'
      return at
    }
    const size = Math.min(this.#fileBytesLeft, bytes.length - at)
    if (size === 0) return undefined
    const messageOffset = this.#pushedBytes - bytes.length + at
    this.#sink.onFileData(this.#fileIndex, bytes.subarray(at, at + size), messageOffset)
    this.#fileBytesLeft -= size
    return at + size
  }

  #afterPart(bytes: Buffer, at: number): number | undefined {
    const manifest = this.#manifest!
    const usual = this.#usualFileHead
    if (this.#fileIndex + 1 < manifest.files.length && bytes.length - at >= usual.length) {
      if (usual.compare(bytes, at, at + usual.length) === 0) {
        this.#startFile(manifest)
        return at + usual.length
      }
    }
    const end = this.#delimiterAt(bytes, at, 'file')
    if (end === undefined) return undefined
    this.#state = 'part header'
    return afterLineEnd(bytes, end)
  }

  #digestsBody(bytes: Buffer, at: number): number | undefined {
    const end = at + this.#manifest!.files.length * digestBytes
    if (bytes.length < end) return undefined
    this.#digests = unpackDigests(bytes.subarray(at, end))
    this.#state = 'tail'
    return end
  }

  #tail(bytes: Buffer, at: number): number | undefined {
    const end = this.#delimiterAt(bytes, at, 'digests')
    if (end === undefined) return undefined
    if (!isClosing(bytes, end)) {
      throw new WireError('bad_multipart', 'the closing boundary does not follow the digests')
    }
    this.#state = 'complete'
    return end + 2
  }

  #afterClose(bytes: Buffer, at: number): number | undefined {
    if (at === bytes.length) return undefined
    this.#epilogue.push(bytes, at)
    return bytes.length
  }

  /** Where the delimiter at `at` ends, if it and two bytes more are there. */
  #delimiterAt(bytes: Buffer, at: number, ends: 'file' | 'digests'): number | undefined {
    const end = at + this.#delimiter.length
    if (bytes.length < end + 2) return undefined
    if (this.#delimiter.compare(bytes, at, end) !== 0) {
      const part = ends === 'file' ? `file ${this.#fileIndex + 1}` : 'the digests part'
      throw new WireError(
        'length_mismatch',
        `no boundary where ${part} must end: its length is not as declared`,
      )
    }
    return end
  }
}

function unexpectedPart(expected: string, found: string): WireError {
  return new WireError(
    'bad_multipart',
    `expected the part "${expected}", found ${JSON.stringify(found.slice(0, 64))}`,
  )
}
