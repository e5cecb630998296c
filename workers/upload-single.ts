import { type FileHandle, lstat, open } from 'node:fs/promises'
import { type BytePath, fsPath } from '../src/base/byte-path.ts'
import { errnoOf } from '../src/base/errors.ts'
import { type FileIdentity, identityOf, isSameFile } from '../src/base/file-identity.ts'
import { blake3 } from '../src/base/hash.ts'
import { captureHeaderReadBytes } from '../src/capture/capture-header.ts'
import { encodeManifest } from '../src/wire/manifest-codec.ts'
import { layOutMessage } from '../src/wire/multipart-layout.ts'
import type { FileResult, ShardFile, ShardResult } from '../src/wire/thread-messages.ts'
import { answeredFiles } from './answered-files.ts'
import type { Labeller } from './labels.ts'
import type { Lane } from './lane.ts'
import { isAsScanned, openFlags, readFailure } from './open-file.ts'
import { type EndedEarly, SingleBody } from './single-body.ts'
import { uploadHeaders } from './upload-headers.ts'

export interface SingleUploadHooks {
  /** Body bytes were taken by the connection. */
  readonly onSent: (sizeBytes: number) => void
  /** Gets a function that ends the upload early. */
  readonly onStoppable: (stop: () => void) => void
}

/** If a request whose body ended early has not settled by then, its connection is given up. */
const settleAfterStopMs = 5000

/** Uploads one large file. Never rejects for what the file, the disk or the link does. */
export async function uploadSingle(
  file: ShardFile,
  lane: Lane,
  labeller: Labeller,
  hooks: SingleUploadHooks,
): Promise<ShardResult> {
  let handle: FileHandle
  try {
    handle = await open(fsPath(file.path), openFlags)
  } catch (error) {
    return { files: [readFailure(error)], failure: undefined }
  }
  try {
    const stats = await handle.stat({ bigint: true })
    if (!isAsScanned(stats, file)) return { files: [{ status: 'changed' }], failure: undefined }
    return await send(file, handle, identityOf(stats), lane, labeller, hooks)
  } catch (error) {
    return { files: [readFailure(error)], failure: undefined }
  } finally {
    await handle.close()
  }
}

async function send(
  file: ShardFile,
  handle: FileHandle,
  identity: FileIdentity,
  lane: Lane,
  labeller: Labeller,
  hooks: SingleUploadHooks,
): Promise<ShardResult> {
  const start = Buffer.alloc(Math.min(captureHeaderReadBytes, file.sizeBytes))
  await handle.read(start, 0, start.length, 0)
  const { sizeBytes, mtimeNs, ctimeNs } = identity
  const labels = labeller.labelsOf(file, start)
  const manifest = encodeManifest({
    files: [{ path: file.path, sizeBytes, mtimeNs, ctimeNs, labels }],
  })
  const uploadId = blake3(manifest)
  const layout = layOutMessage(manifest, uploadId, [sizeBytes])
  const body = new SingleBody({
    file: handle,
    sizeBytes,
    layout,
    isUnchanged: () => isUnchanged(file.path, handle, identity),
    onSent: hooks.onSent,
  })
  const settleDeadline = giveUpIfItHangs(body, lane)
  hooks.onStoppable(() => body.stop())
  const headers = uploadHeaders(layout, uploadId, 'single')
  try {
    const answer = await lane.send({ method: 'POST', path: '/v1/uploads', headers, body })
    if (body.endedEarly !== undefined) return endedEarly(body.endedEarly)
    if ('kind' in answer) return { files: [{ status: 'not_sent' }], failure: answer }
    if (body.digest === undefined) {
      const detail = 'the receiver answered before the file was sent'
      return { files: [{ status: 'not_sent' }], failure: { kind: 'incompatible', detail } }
    }
    const sent = [{ index: 0, identity, digest: body.digest }]
    return answeredFiles([{ status: 'not_sent' }], sent, answer)
  } finally {
    clearTimeout(settleDeadline.timer)
  }
}

/** A body that ended early is answered with a reset; where that does not come, the client must go. */
function giveUpIfItHangs(body: SingleBody, lane: Lane): { timer: NodeJS.Timeout | undefined } {
  const deadline: { timer: NodeJS.Timeout | undefined } = { timer: undefined }
  body.once('end', () => {
    if (body.endedEarly === undefined) return
    deadline.timer = setTimeout(
      () => void lane.destroy(new Error('an upload that was stopped did not settle')),
      settleAfterStopMs,
    )
  })
  return deadline
}

function endedEarly(why: EndedEarly): ShardResult {
  if (why === 'stopped') {
    const failure = { kind: 'stopped', detail: 'the upload was stopped' } as const
    return { files: [{ status: 'not_sent' }], failure }
  }
  const result: FileResult =
    why === 'changed' ? { status: 'changed' } : { status: 'unreadable', errno: why.errno }
  return { files: [result], failure: undefined }
}

/** Before the digest is sent: is it the same file, all the way, and does its name still lead to it? */
async function isUnchanged(
  path: BytePath,
  handle: FileHandle,
  identity: FileIdentity,
): Promise<boolean> {
  try {
    const byHandle = await handle.stat({ bigint: true })
    const byName = await lstat(fsPath(path), { bigint: true })
    return isSameFile(byHandle, identity) && isSameFile(byName, identity)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return false
  }
}
