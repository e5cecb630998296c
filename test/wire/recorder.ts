import assert from 'node:assert/strict'
import type { Digest } from '../../src/base/hash.ts'
import type { Manifest } from '../../src/wire/manifest.ts'
import { MessageReader } from '../../src/wire/message-reader.ts'
import { boundaryFrom } from '../../src/wire/part-header.ts'

/** What a message turned out to say, and where. */
export interface ReadMessage {
  readonly complete: boolean
  readonly manifest: Manifest | undefined
  readonly uploadId: Digest | undefined
  readonly contents: readonly Buffer[]
  /** Where in the message the first byte of each file stands; undefined for an empty one. */
  readonly offsets: readonly (number | undefined)[]
  readonly endedFiles: number
  /** Empty unless complete. */
  readonly digests: readonly Digest[]
}

/**
 * Reads a message from pieces. Each piece is overwritten after it was pushed, as the buffer of a
 * socket would be, and the order of what the reader tells is checked.
 */
export function readPieces(contentType: string, pieces: Iterable<Buffer>): ReadMessage {
  let manifest: Manifest | undefined
  let uploadId: Digest | undefined
  let endedFiles = 0
  const contents: Buffer[][] = []
  const offsets: (number | undefined)[] = []
  const nextOffsets: number[] = []
  const reader = new MessageReader(boundaryFrom(contentType), {
    onManifest: (found, id) => {
      assert.equal(manifest, undefined, 'one manifest only')
      manifest = found
      uploadId = id
    },
    onFileData: (index, bytes, messageOffset) => {
      assert.equal(index, endedFiles, 'one file after another')
      assert.ok(bytes.length > 0, 'never no bytes')
      if (offsets[index] === undefined) offsets[index] = messageOffset
      else assert.equal(messageOffset, nextOffsets[index], 'no gap')
      nextOffsets[index] = messageOffset + bytes.length
      contents[index] ??= []
      contents[index].push(Buffer.from(bytes))
    },
    onFileEnd: (index) => {
      assert.equal(index, endedFiles, 'each file ends once')
      offsets[index] ??= undefined
      endedFiles += 1
    },
  })
  for (const piece of pieces) {
    reader.push(piece)
    piece.fill(0xaa)
  }
  return {
    complete: reader.complete,
    manifest,
    uploadId,
    contents: Array.from({ length: endedFiles }, (_, index) =>
      Buffer.concat(contents[index] ?? []),
    ),
    offsets,
    endedFiles,
    digests: reader.complete ? reader.digests : [],
  }
}

/** Reads a message that arrives in one piece. */
export function readWhole(contentType: string, body: Buffer): ReadMessage {
  return readPieces(contentType, [Buffer.from(body)])
}

/** The body in two pieces, cut before byte `at`. */
export function cutInTwo(body: Buffer, at: number): Buffer[] {
  return [Buffer.from(body.subarray(0, at)), Buffer.from(body.subarray(at))]
}

export function byteByByte(body: Buffer): Buffer[] {
  return Array.from(body, (byte) => Buffer.from([byte]))
}
