import { type BytePath, bytePath } from '../../src/base/byte-path.ts'
import { blake3, type Digest } from '../../src/base/hash.ts'
import type { FileLabels, Manifest } from '../../src/wire/manifest.ts'
import { encodeManifest } from '../../src/wire/manifest-codec.ts'
import { layOutMessage, packDigests } from '../../src/wire/multipart-layout.ts'

export interface FileOfMessage {
  /** Absolute, on the device: as text, or as bytes where it is not UTF-8. */
  readonly path: string | { readonly bytes: BytePath }
  readonly bytes: string | Buffer
  readonly mtimeNs?: bigint
  readonly ctimeNs?: bigint
  readonly labels?: Partial<FileLabels>
  /** What the digests part says, when it is not the truth. */
  readonly declaredDigest?: Digest
}

export interface BuiltMessage {
  readonly body: Buffer
  readonly contentType: string
  readonly uploadId: Digest
  readonly manifest: Manifest
  /** Of the bytes, in the order of the files. */
  readonly digests: readonly Digest[]
  /** Where the bytes of each file stand in the body. */
  readonly offsets: readonly number[]
}

export const someTimeNs = 1_700_000_000_123_456_789n

export const plainLabels: FileLabels = {
  root: bytePath('/data'),
  contentType: 'application/octet-stream',
  tags: [],
  datasetIds: [],
  coding: 'identity',
  capture: null,
}

/** A complete and valid upload message, as a device sends it. */
export function buildMessage(files: readonly FileOfMessage[]): BuiltMessage {
  const contents = files.map(({ bytes }) => Buffer.from(bytes as string))
  const manifest: Manifest = {
    files: files.map((file, index) => ({
      path: typeof file.path === 'string' ? bytePath(file.path) : file.path.bytes,
      sizeBytes: contents[index]!.length,
      mtimeNs: file.mtimeNs ?? someTimeNs,
      ctimeNs: file.ctimeNs ?? someTimeNs,
      labels: file.labels === undefined ? plainLabels : { ...plainLabels, ...file.labels },
    })),
  }
  const encoded = encodeManifest(manifest)
  const uploadId = blake3(encoded)
  const layout = layOutMessage(
    encoded,
    uploadId,
    contents.map(({ length }) => length),
  )
  const offsets: number[] = []
  const pieces = [layout.head]
  let at = layout.head.length
  for (const bytes of contents) {
    at += layout.beforeFile.length
    offsets.push(at)
    at += bytes.length
    pieces.push(layout.beforeFile, bytes)
  }
  const digests = contents.map(blake3)
  const declared = files.map((file, index) => file.declaredDigest ?? digests[index]!)
  pieces.push(layout.beforeDigests, packDigests(declared), layout.tail)
  const body = Buffer.concat(pieces)
  return { body, contentType: layout.contentType, uploadId, manifest, digests, offsets }
}
