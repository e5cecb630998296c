import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fsPath } from '../src/base/byte-path.ts'
import { type FileIdentity, identityOf, isSameFile } from '../src/base/file-identity.ts'
import { blake3 } from '../src/base/hash.ts'
import { captureHeaderReadBytes } from '../src/capture/capture-header.ts'
import { encodeManifest } from '../src/wire/manifest-codec.ts'
import { layOutMessage } from '../src/wire/multipart-layout.ts'
import type { FileResult, ShardFile, ShardResult } from '../src/wire/thread-messages.ts'
import { answeredFiles } from './answered-files.ts'
import { FileHash } from './file-hash.ts'
import { HashedFile, type ReadEnd } from './hashed-file.ts'
import type { Labeller } from './labels.ts'
import type { Lane, LaneAnswer } from './lane.ts'
import { isFinal } from './next-step.ts'
import { isAsScanned, openFlags, readFailure } from './open-file.ts'
import { SingleExchange, uploadPath } from './single-exchange.ts'
import type { UnfinishedUpload, UnfinishedUploads } from './unfinished-uploads.ts'

/** What the uploads of one thread share. */
export interface SingleUploadTools {
  readonly lane: Lane
  readonly labeller: Labeller
  readonly unfinished: UnfinishedUploads
}

export interface SingleUploadHooks {
  /** Body bytes were taken by the connection. */
  readonly onSent: (sizeBytes: number) => void
  /** A body begins with this byte of the message: what stands before it has arrived. */
  readonly onBegin?: (fromByte: number) => void
  /** Gets a function that ends the upload early. */
  readonly onStoppable: (stop: () => void) => void
}

/** Nobody waits longer than this for what is of no consequence. */
const cancelPatienceMs = 5000

/**
 * Uploads one large file, from where an earlier upload of it broke off if there was one. Never rejects
 * for what the file, the disk or the link does.
 */
export async function uploadSingle(
  file: ShardFile,
  tools: SingleUploadTools,
  hooks: SingleUploadHooks,
): Promise<ShardResult> {
  const kept = tools.unfinished.take(file.path)
  let handle: FileHandle
  try {
    handle = await open(fsPath(file.path), openFlags)
  } catch (error) {
    return notRead(readFailure(error), kept, tools)
  }
  try {
    const stats = await handle.stat({ bigint: true })
    if (!isAsScanned(stats, file)) return await notRead({ status: 'changed' }, kept, tools)
    if (
      kept !== undefined &&
      isSameFile(stats, kept.identity) &&
      isSameShardFile(file, kept.file)
    ) {
      return await goOn(kept, true, handle, tools, hooks)
    }
    if (kept !== undefined) await cancel(kept, tools.lane)
    const upload = await begin(file, handle, identityOf(stats), tools.labeller)
    return await goOn(upload, false, handle, tools, hooks)
  } catch (error) {
    return await notRead(readFailure(error), kept, tools)
  } finally {
    await handle.close()
  }
}

async function begin(
  file: ShardFile,
  handle: FileHandle,
  identity: FileIdentity,
  labeller: Labeller,
): Promise<UnfinishedUpload> {
  // Only the header of a capture file says anything.
  const startBytes = file.kind === 'capture' ? captureHeaderReadBytes : 0
  const start = Buffer.alloc(Math.min(startBytes, file.sizeBytes))
  if (start.length > 0) await handle.read(start, 0, start.length, 0)
  const { sizeBytes, mtimeNs, ctimeNs } = identity
  const labels = labeller.labelsOf(file, start)
  const manifest = encodeManifest({
    files: [{ path: file.path, sizeBytes, mtimeNs, ctimeNs, labels }],
  })
  const uploadId = blake3(manifest)
  const layout = layOutMessage(manifest, uploadId, [sizeBytes])
  return { file, identity, uploadId, layout, hash: new FileHash(), mayBeComplete: false }
}

async function goOn(
  upload: UnfinishedUpload,
  isKnownHere: boolean,
  handle: FileHandle,
  tools: SingleUploadTools,
  hooks: SingleUploadHooks,
): Promise<ShardResult> {
  const { lane } = tools
  const { identity, hash } = upload
  const { path } = upload.file
  const file = new HashedFile({ path, handle, identity, hash })
  const onBegin = (fromByte: number) => hooks.onBegin?.(fromByte)
  const exchange = new SingleExchange({ upload, file, lane, onSent: hooks.onSent, onBegin })
  hooks.onStoppable(() => exchange.stop())
  try {
    // A process that knows nothing of it sends it whole: the receiver says so if it knows better.
    const end = await exchange.run({ method: isKnownHere ? 'HEAD' : 'POST' })
    if ('fileEnd' in end) return await endedEarly(end.fileEnd, upload, tools)
    if ('answer' in end) return await answered(end.answer, file, upload, tools)
    if (!isFinal(end.failure)) tools.unfinished.keep(upload)
    return notSent(end.failure)
  } finally {
    await file.stop()
  }
}

/** The receiver has the file. What counts here is what this process has read of it (invariant 1). */
async function answered(
  answer: LaneAnswer,
  file: HashedFile,
  upload: UnfinishedUpload,
  tools: SingleUploadTools,
): Promise<ShardResult> {
  const whole = await file.wholeHash()
  if ('end' in whole) return endedEarly(whole.end, upload, tools)
  const sent = [{ index: 0, identity: upload.identity, digest: whole.digest }]
  const result = answeredFiles([{ status: 'not_sent' }], sent, answer)
  // An answer that cannot be read may be read when it is asked for again.
  if (result.failure !== undefined) tools.unfinished.keep(upload)
  return result
}

async function endedEarly(
  end: ReadEnd,
  upload: UnfinishedUpload,
  tools: SingleUploadTools,
): Promise<ShardResult> {
  if (end === 'stopped') {
    tools.unfinished.keep(upload)
    return notSent({ kind: 'stopped', detail: 'the upload was stopped' })
  }
  const result: FileResult =
    end === 'changed' ? { status: 'changed' } : { status: 'unreadable', errno: end.errno }
  return notRead(result, upload, tools)
}

/**
 * Nothing of the file can be sent for now. What is under way of it is kept, unless the file is another
 * one: one that is gone may come back with its disk.
 */
async function notRead(
  result: FileResult,
  upload: UnfinishedUpload | undefined,
  { lane, unfinished }: SingleUploadTools,
): Promise<ShardResult> {
  if (upload !== undefined) {
    if (result.status === 'changed') await cancel(upload, lane)
    else unfinished.keep(upload)
  }
  return { files: [result], failure: undefined }
}

/**
 * Has the receiver drop what it has of a file that is no more as it was. Nothing depends on it: what is
 * not dropped expires. An upload that may have been stored is left alone.
 */
async function cancel(upload: UnfinishedUpload, lane: Lane): Promise<void> {
  if (upload.mayBeComplete) return
  const request = { method: 'DELETE', path: uploadPath(upload), headers: {}, body: null } as const
  const patience = new AbortController()
  const { signal } = patience
  // Rejects only when it is not waited for any longer.
  const late = sleep(cancelPatienceMs, undefined, { signal }).catch(() => {})
  await Promise.race([lane.send(request), late])
  patience.abort()
}

function notSent(failure: ShardResult['failure']): ShardResult {
  return { files: [{ status: 'not_sent' }], failure }
}

/** What else goes into the manifest. */
function isSameShardFile(one: ShardFile, other: ShardFile): boolean {
  return one.root === other.root && one.kind === other.kind
}
