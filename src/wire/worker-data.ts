import type { MessagePort } from 'node:worker_threads'

/** What every thread is told once, when it starts. Travels by structured clone; never in `env`. */
export interface WorkerData {
  readonly address: string
  /** The whole header field: holds the secret. */
  readonly authorization: string
  readonly caPem: string | undefined
  /** Put on every file. */
  readonly tags: readonly string[]
  readonly progressEveryMs: number
  /** A connection on which nothing moves for this long is given up. */
  readonly stallMs: number
  /** Random for each process, 32 hex digits: docs/protocol.md, `Longshore-Instance`. */
  readonly instance?: string
}

export interface UploadTask {
  readonly kind: 'upload'
  readonly shard: Uint8Array
  readonly port: MessagePort
}

/** Asks the receiver who it takes us for. */
export interface ProbeTask {
  readonly kind: 'probe'
  readonly port: MessagePort
}

export type WorkerTask = UploadTask | ProbeTask

/** What the receiver says of itself and of us: `GET /v1/machine`. */
export interface ReceiverDescription {
  readonly machine: string
  readonly receiver: string
  readonly protocol: number
  readonly store: string
  readonly freeBytes: number
  readonly totalBytes: number
}
