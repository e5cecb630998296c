import { Packr } from 'msgpackr'
import type { BytePath } from '../base/byte-path.ts'
import type { FileIdentity } from '../base/file-identity.ts'
import type { Digest } from '../base/hash.ts'
import type { Outcome } from './outcome.ts'
import type { TransferFailure } from './transfer-failure.ts'

/*
 * What passes between the main thread and the workers, as msgpackr frames of arrays in a fixed order.
 * Each frame is copied to a buffer of its own and transferred: msgpackr packs into a pool that a
 * posted view would drag along whole.
 */

/** One file of a shard, as the scan saw it. */
export interface ShardFile {
  readonly path: BytePath
  readonly root: BytePath
  readonly kind: 'capture' | 'arbitrary'
  readonly sizeBytes: number
  readonly mtimeNs: bigint
  readonly device: bigint
  readonly inode: bigint
}

/** The files given to a worker as one task: a bundle, or one large file. */
export interface Shard {
  readonly id: number
  readonly kind: 'bundle' | 'single'
  readonly files: readonly ShardFile[]
}

/** What became of one file of a shard. */
export type FileResult =
  /** The receiver has spoken; `digest` and `identity` are what this process read. */
  | {
      readonly status: 'answered'
      readonly outcome: Outcome
      readonly digest: Digest
      readonly identity: FileIdentity
    }
  /** Not the file that the scan saw, or it changed while it was read. */
  | { readonly status: 'changed' }
  | { readonly status: 'gone' }
  | { readonly status: 'unreadable'; readonly errno: string }
  /** The request that it was part of failed: see the shard's failure. */
  | { readonly status: 'not_sent' }

export interface ShardResult {
  /** In the order of the shard. */
  readonly files: readonly FileResult[]
  readonly failure: TransferFailure | undefined
}

/** How far one upload is. */
export interface UploadProgress {
  readonly shardId: number
  /** Of the message: handed to the connection so far, or at the receiver since an earlier try. */
  readonly sentBytes: number
  /** Where this try went on. @default 0 */
  readonly fromByte?: number
}

/** How far the uploads of one thread are. */
export type Progress = readonly UploadProgress[]

/** Sent on a task's port to have it end its upload early, at a point where it can be broken off. */
export const stopMessage = 'stop'

/** Sent on a task's port: the addresses that this device has now. Connections from others are dead. */
export interface AddressesMessage {
  readonly addresses: readonly string[]
}

export type PortMessage = typeof stopMessage | AddressesMessage

const packr = new Packr({ useRecords: false, moreTypes: false, int64AsType: 'bigint' })

type Frame = Uint8Array<ArrayBuffer>

function pack(value: unknown): Frame {
  return new Uint8Array(packr.pack(value))
}

const fileKinds = ['capture', 'arbitrary'] as const
const shardKinds = ['bundle', 'single'] as const

export function packShard(shard: Shard): Frame {
  return pack([
    shard.id,
    shardKinds.indexOf(shard.kind),
    shard.files.map(({ path, root, kind, sizeBytes, mtimeNs, device, inode }) => [
      path,
      root,
      fileKinds.indexOf(kind),
      sizeBytes,
      mtimeNs,
      device,
      inode,
    ]),
  ])
}

type PackedShard = [number, number, [BytePath, BytePath, number, number, bigint, bigint, bigint][]]

export function unpackShard(frame: Uint8Array): Shard {
  const [id, kind, files] = packr.unpack(frame) as PackedShard
  return {
    id,
    kind: shardKinds[kind]!,
    files: files.map(([path, root, fileKind, sizeBytes, mtimeNs, device, inode]) => ({
      path,
      root,
      kind: fileKinds[fileKind]!,
      sizeBytes: Number(sizeBytes),
      mtimeNs: BigInt(mtimeNs),
      device: BigInt(device),
      inode: BigInt(inode),
    })),
  }
}

export function packShardResult(result: ShardResult): Frame {
  return pack([result.files.map(packFileResult), result.failure ?? null])
}

export function unpackShardResult(frame: Uint8Array): ShardResult {
  const [files, failure] = packr.unpack(frame) as [PackedFileResult[], TransferFailure | null]
  return { files: files.map(unpackFileResult), failure: failure ?? undefined }
}

type PackedFileResult =
  | [
      'answered',
      Outcome['status'],
      Outcome['reason'] | null,
      number,
      Digest,
      Digest,
      ...PackedIdentity,
    ]
  | ['changed' | 'gone' | 'not_sent']
  | ['unreadable', string]

type PackedIdentity = [device: bigint, inode: bigint, size: number, mtime: bigint, ctime: bigint]

function packFileResult(result: FileResult): PackedFileResult {
  switch (result.status) {
    case 'answered': {
      const { outcome, digest, identity } = result
      const { device, inode, sizeBytes, mtimeNs, ctimeNs } = identity
      return [
        'answered',
        outcome.status,
        outcome.reason ?? null,
        outcome.sizeBytes,
        outcome.digest,
        digest,
        device,
        inode,
        sizeBytes,
        mtimeNs,
        ctimeNs,
      ]
    }
    case 'unreadable':
      return ['unreadable', result.errno]
    default:
      return [result.status]
  }
}

function unpackFileResult(packed: PackedFileResult): FileResult {
  switch (packed[0]) {
    case 'answered': {
      const [, status, reason, outcomeSize, outcomeDigest, digest, ...identity] = packed
      const [device, inode, size, mtime, ctime] = identity
      return {
        status: 'answered',
        outcome: {
          status,
          ...(reason !== null && reason !== undefined && { reason }),
          sizeBytes: Number(outcomeSize),
          digest: outcomeDigest,
        },
        digest,
        identity: {
          device: BigInt(device),
          inode: BigInt(inode),
          sizeBytes: Number(size),
          mtimeNs: BigInt(mtime),
          ctimeNs: BigInt(ctime),
        },
      }
    }
    case 'unreadable':
      return { status: 'unreadable', errno: packed[1] }
    default:
      return { status: packed[0] }
  }
}

export function packProgress(progress: Progress): Frame {
  return pack(
    progress.map(({ shardId, sentBytes, fromByte = 0 }) => [shardId, sentBytes, fromByte]),
  )
}

export function unpackProgress(frame: Uint8Array): Progress {
  const uploads = packr.unpack(frame) as [number, number, number][]
  return uploads.map(([shardId, sentBytes, from]) => {
    const fromByte = Number(from)
    return { shardId, sentBytes: Number(sentBytes), ...(fromByte > 0 && { fromByte }) }
  })
}
