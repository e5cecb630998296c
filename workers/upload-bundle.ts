import { blake3 } from '../src/base/hash.ts'
import { digestBytes } from '../src/wire/limits.ts'
import { encodeManifest } from '../src/wire/manifest-codec.ts'
import { filePartHeadBytes, layOutMessage, packDigests } from '../src/wire/multipart-layout.ts'
import type { FileResult, Shard, ShardResult } from '../src/wire/thread-messages.ts'
import { answeredFiles } from './answered-files.ts'
import type { BundleBuffers } from './bundle-buffers.ts'
import type { Labeller } from './labels.ts'
import type { Lane } from './lane.ts'
import { type ReadFile, readBundle } from './read-bundle.ts'
import { uploadHeaders } from './upload-headers.ts'

/** Uploads many small files as one message, which is in memory as a whole. Never rejects. */
export async function uploadBundle(
  shard: Shard,
  lane: Lane,
  labeller: Labeller,
  buffers: BundleBuffers,
): Promise<ShardResult> {
  const headRoom = headRoomFor(shard)
  const buffer = buffers.take(headRoom + bodyRoomFor(shard))
  const target = { buffer, start: headRoom, gapBytes: filePartHeadBytes }
  const { files, failures } = await readBundle(shard.files, target)
  const results = shard.files.map((_, index): FileResult => {
    return failures.get(index) ?? { status: 'not_sent' }
  })
  if (files.length === 0) {
    buffers.giveBack(buffer)
    return { files: results, failure: undefined }
  }
  const { headers, body } = encodeBundle(shard, files, labeller, buffer, headRoom)
  const answer = await lane.send({ method: 'POST', path: '/v1/uploads', headers, body })
  // After any other end the connection may still hold on to the bytes.
  if ('kind' in answer) return { files: results, failure: answer }
  buffers.giveBack(buffer)
  return answeredFiles(results, files, answer)
}

/** What the manifest will hardly exceed: it is known only when the files have been read. */
function headRoomFor({ files }: Shard): number {
  let bytes = 4096
  let lastFolderLength = -1
  for (const { path } of files) {
    const folderLength = path.lastIndexOf('/')
    // Files of a folder come together; a folder that comes twice is counted twice.
    if (folderLength !== lastFolderLength) bytes += folderLength + 600
    lastFolderLength = folderLength
    bytes += path.length - folderLength + 48
  }
  return bytes
}

function bodyRoomFor({ files }: Shard): number {
  let bytes = 1024
  for (const { sizeBytes } of files) bytes += filePartHeadBytes + sizeBytes + digestBytes
  return bytes
}

interface EncodedBundle {
  readonly headers: Record<string, string>
  readonly body: Buffer
}

/** Completes the message around the files' bytes, which stay where they were read to. */
function encodeBundle(
  shard: Shard,
  files: readonly ReadFile[],
  labeller: Labeller,
  buffer: Buffer,
  headRoom: number,
): EncodedBundle {
  const manifest = encodeManifest({
    files: files.map(({ index, identity, bytes }) => {
      const file = shard.files[index]!
      const { sizeBytes, mtimeNs, ctimeNs } = identity
      return {
        path: file.path,
        sizeBytes,
        mtimeNs,
        ctimeNs,
        labels: labeller.labelsOf(file, bytes),
      }
    }),
  })
  const uploadId = blake3(manifest)
  const sizes = files.map(({ bytes }) => bytes.length)
  const layout = layOutMessage(manifest, uploadId, sizes)
  let at = headRoom
  for (const { bytes } of files) {
    at += layout.beforeFile.copy(buffer, at)
    at += bytes.length
  }
  at += layout.beforeDigests.copy(buffer, at)
  at += packDigests(files.map(({ digest }) => digest)).copy(buffer, at)
  at += layout.tail.copy(buffer, at)
  const headers = uploadHeaders(layout, uploadId, 'bundle')
  const start = headRoom - layout.head.length
  if (start < 0) {
    return { headers, body: Buffer.concat([layout.head, buffer.subarray(headRoom, at)]) }
  }
  layout.head.copy(buffer, start)
  return { headers, body: buffer.subarray(start, at) }
}
