import assert from 'node:assert/strict'
import { FormReader } from '../../src/wire/form-reader.ts'
import { boundaryFrom, type FormPartHeader } from '../../src/wire/part-header.ts'

export interface ReadPart {
  readonly header: FormPartHeader
  readonly bytes: Buffer
  /** Where in the form its first byte stands; undefined of an empty one. */
  readonly offset: number | undefined
}

export interface ReadForm {
  readonly complete: boolean
  readonly parts: readonly ReadPart[]
}

/**
 * Reads a form from pieces. Each piece is overwritten after it was pushed, as the buffer of a socket
 * would be, and the order of what the reader tells is checked.
 */
export function readForm(contentType: string, pieces: Iterable<Buffer>): ReadForm {
  const parts: ReadPart[] = []
  let header: FormPartHeader | undefined
  let chunks: Buffer[] = []
  let offset: number | undefined
  let nextOffset = 0
  const reader = new FormReader(boundaryFrom(contentType), {
    onPart: (found) => {
      assert.equal(header, undefined, 'one part after another')
      header = found
      chunks = []
      offset = undefined
    },
    onData: (bytes, messageOffset) => {
      assert.ok(header !== undefined && bytes.length > 0, 'bytes, and of a part')
      if (offset === undefined) offset = messageOffset
      else assert.equal(messageOffset, nextOffset, 'no gap')
      nextOffset = messageOffset + bytes.length
      chunks.push(Buffer.from(bytes))
    },
    onPartEnd: () => {
      assert.ok(header !== undefined, 'each part ends once')
      parts.push({ header, bytes: Buffer.concat(chunks), offset })
      header = undefined
    },
  })
  for (const piece of pieces) {
    reader.push(piece)
    piece.fill(0xaa)
  }
  return { complete: reader.complete, parts }
}
