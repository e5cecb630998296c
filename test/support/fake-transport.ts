import { lstatSync, readFileSync } from 'node:fs'
import { type BytePath, fsPath } from '../../src/base/byte-path.ts'
import { identityOf } from '../../src/base/file-identity.ts'
import { blake3 } from '../../src/base/hash.ts'
import type { Transport } from '../../src/sync/transport.ts'
import type { FileResult, Shard, ShardFile, ShardResult } from '../../src/wire/thread-messages.ts'
import type { TransferFailure } from '../../src/wire/transfer-failure.ts'
import type { ReceiverDescription } from '../../src/wire/worker-data.ts'

/** What becomes of a shard; undefined leaves it under way until it is ended by hand. */
export type Answer = (shard: Shard) => ShardResult | Promise<ShardResult> | undefined

interface UnderWay {
  readonly shard: Shard
  readonly resolve: (result: ShardResult) => void
  readonly reject: (error: Error) => void
}

/** A transport without threads and without a network: the test says what becomes of each shard. */
export class FakeTransport implements Transport {
  answer: Answer
  /** Every shard that was ever given, in order. */
  readonly shards: Shard[] = []
  readonly #underWay = new Map<number, UnderWay>()
  /** What asking the receiver who it is comes to. */
  probeAnswer: () => TransferFailure | Promise<TransferFailure> | undefined = () => undefined
  /** How often it was asked. */
  probes = 0
  /** How often uploads were told to stop. */
  stops = 0
  onStop: () => void = () => {}

  constructor(answer: Answer = () => undefined) {
    this.answer = answer
  }

  get underWay(): readonly Shard[] {
    return [...this.#underWay.values()].map(({ shard }) => shard)
  }

  async upload(shard: Shard): Promise<ShardResult> {
    this.shards.push(shard)
    const answer = this.answer(shard)
    if (answer !== undefined) return answer
    return new Promise((resolve, reject) => {
      this.#underWay.set(shard.id, { shard, resolve, reject })
    })
  }

  async probe(): Promise<ReceiverDescription | TransferFailure> {
    this.probes += 1
    return (await this.probeAnswer()) ?? description
  }

  stopUploads(): void {
    this.stops += 1
    this.onStop()
  }

  /** What it was told of this device's addresses. */
  readonly addresses: (readonly string[])[] = []

  dropLost(addresses: readonly string[]): void {
    this.addresses.push(addresses)
  }

  /** Ends one that is under way. */
  end(shard: Shard, result: ShardResult): void {
    this.#take(shard).resolve(result)
  }

  /** The thread that carried it dies. */
  die(shard: Shard, message = 'out of memory'): void {
    this.#take(shard).reject(new Error(message))
  }

  #take(shard: Shard): UnderWay {
    const upload = this.#underWay.get(shard.id)
    if (upload === undefined) throw new Error(`shard ${shard.id} is not under way`)
    this.#underWay.delete(shard.id)
    return upload
  }
}

const description: ReceiverDescription = {
  machine: 'robot',
  receiver: 'longshore/0.0.0',
  protocol: 1,
  store: 'folder',
  freeBytes: 1e12,
  totalBytes: 2e12,
}

/** The names of a shard's files, for comparing. */
export function pathsOf(shard: Shard): readonly BytePath[] {
  return shard.files.map(({ path }) => path)
}

/** What a worker that uploads a file which really is there gets from a receiver that stores it. */
export function storedFile(file: ShardFile): FileResult {
  const digest = blake3(readFileSync(fsPath(file.path)))
  const identity = identityOf(lstatSync(fsPath(file.path), { bigint: true }))
  const { sizeBytes } = identity
  return { status: 'answered', outcome: { status: 'stored', sizeBytes, digest }, digest, identity }
}

/** The same for files that exist in the test only. */
export function storedImaginary({ sizeBytes, mtimeNs, device, inode }: ShardFile): FileResult {
  const digest = '0'.repeat(64)
  const identity = { device, inode, sizeBytes, mtimeNs, ctimeNs: mtimeNs }
  return { status: 'answered', outcome: { status: 'stored', sizeBytes, digest }, digest, identity }
}

export function answered(shard: Shard, of: (file: ShardFile) => FileResult): ShardResult {
  return { files: shard.files.map(of), failure: undefined }
}

/** The whole request came to nothing. */
export function failed(shard: Shard, failure: TransferFailure): ShardResult {
  return { files: shard.files.map(() => ({ status: 'not_sent' })), failure }
}

export function refused(status: number, more: Partial<TransferFailure> = {}): TransferFailure {
  return { kind: 'refused', detail: `HTTP status ${status}`, status, ...more }
}

export const connectionLost: TransferFailure = { kind: 'connection_lost', detail: 'it broke' }
