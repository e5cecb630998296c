import { blake3 } from '../src/base/hash.ts'
import { encodeManifest } from '../src/wire/manifest-codec.ts'
import { layOutMessage, packDigests } from '../src/wire/multipart-layout.ts'
import type { FileResult, Shard, ShardResult } from '../src/wire/thread-messages.ts'
import { answeredFiles } from './answered-files.ts'
import type { Labeller } from './labels.ts'
import type { Lane } from './lane.ts'
import { type ReadFile, readBundle } from './read-bundle.ts'
import { uploadHeaders } from './upload-headers.ts'

/** Uploads many small files as one message, which is in memory as a whole. Never rejects. */
export async function uploadBundle(
  shard: Shard,
  lane: Lane,
  labeller: Labeller,
): Promise<ShardResult> {
  const { files, failures } = await readBundle(shard.files)
  const results = shard.files.map((_, index): FileResult => {
    return failures.get(index) ?? { status: 'not_sent' }
  })
  if (files.length === 0) return { files: results, failure: undefined }
  const { headers, body } = encodeBundle(shard, files, labeller)
  const answer = await lane.request({ method: 'POST', path: '/v1/uploads', headers, body })
  if ('kind' in answer) return { files: results, failure: answer }
  return answeredFiles(results, files, answer)
}

function encodeBundle(
  shard: Shard,
  files: readonly ReadFile[],
  labeller: Labeller,
): { readonly headers: Record<string, string>; readonly body: Buffer } {
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
  const layout = layOutMessage(
    manifest,
    uploadId,
    files.map(({ bytes }) => bytes.length),
  )
  const body = Buffer.allocUnsafeSlow(layout.contentLength)
  let at = layout.head.copy(body)
  for (const { bytes } of files) {
    at += layout.beforeFile.copy(body, at)
    at += bytes.copy(body, at)
  }
  at += layout.beforeDigests.copy(body, at)
  at += packDigests(files.map(({ digest }) => digest)).copy(body, at)
  layout.tail.copy(body, at)
  return { headers: uploadHeaders(layout, uploadId, 'bundle'), body }
}
