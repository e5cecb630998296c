import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import {
  type Progress,
  packShard,
  type Shard,
  type ShardResult,
  stopMessage,
  unpackProgress,
  unpackShardResult,
} from '../wire/thread-messages.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'
import type { ReceiverDescription, WorkerData, WorkerTask } from '../wire/worker-data.ts'
import type { Concurrency } from './concurrency.ts'

export interface UploadPoolOptions {
  readonly workerEntryUrl: URL
  readonly workerData: WorkerData
  readonly concurrency: Concurrency
  readonly onProgress: (progress: Progress) => void
  /** A thread ended by an error that was no task's. */
  readonly onThreadError: (error: unknown) => void
}

/** A thread that has had nothing to do for this long ends, and its connections with it. */
const idleTimeoutMs = 30_000

/**
 * The worker threads. One shard is one task; how many tasks there are at once is for the caller to
 * decide, which never gives more than `concurrency` allows.
 */
export class UploadPool {
  readonly #options: UploadPoolOptions
  readonly #piscina: Piscina
  readonly #ports = new Set<MessagePort>()
  readonly #whenThreadDies = new Set<(error: unknown) => void>()

  constructor(options: UploadPoolOptions) {
    this.#options = options
    const { threads, uploadsPerThread } = options.concurrency
    this.#piscina = new Piscina({
      filename: options.workerEntryUrl.href,
      workerData: options.workerData,
      minThreads: 0,
      maxThreads: threads,
      concurrentTasksPerWorker: uploadsPerThread,
      idleTimeout: idleTimeoutMs,
      // With 'sync' an idle thread sleeps so deeply that it answers no PING and its connection dies.
      atomics: 'disabled',
      loadBalancer: (_task, workers) => leastBusy(workers, threads, uploadsPerThread),
      recordTiming: false,
    })
    this.#piscina.on('error', (error: unknown) => this.#threadDied(error))
  }

  get threads(): number {
    return this.#piscina.threads.length
  }

  /** Rejects only when the thread itself died. */
  async upload(shard: Shard): Promise<ShardResult> {
    const { port1, port2 } = new MessageChannel()
    const frame = packShard(shard)
    const task: WorkerTask = { kind: 'upload', shard: frame, port: port2 }
    port1.on('message', (message: Uint8Array) => this.#options.onProgress(unpackProgress(message)))
    this.#ports.add(port1)
    const died = Promise.withResolvers<never>()
    this.#whenThreadDies.add(died.reject)
    try {
      const done = this.#piscina.run(task, { transferList: [port2, frame.buffer] })
      return unpackShardResult((await Promise.race([done, died.promise])) as Uint8Array)
    } finally {
      this.#whenThreadDies.delete(died.reject)
      this.#ports.delete(port1)
      port1.close()
    }
  }

  async probe(): Promise<ReceiverDescription | TransferFailure> {
    const task: WorkerTask = { kind: 'probe' }
    return this.#piscina.run(task)
  }

  /** Has the uploads of large files end early; bundles under way are left to finish. */
  stopUploads(): void {
    for (const port of this.#ports) port.postMessage(stopMessage)
  }

  /**
   * A thread that dies before it took a task leaves the tasks that wait for it in Piscina's queue, and
   * nothing there starts another. Which ones wait is not to be known, so all are tried again.
   */
  #threadDied(error: unknown): void {
    this.#options.onThreadError(error)
    for (const reject of this.#whenThreadDies) reject(error)
  }

  /** Ends all threads at once. Tasks should have settled: what still runs is rejected. */
  async destroy(): Promise<void> {
    await this.#piscina.destroy()
  }
}

interface WorkerLoad {
  readonly currentUsage: number
}

/**
 * The thread with the fewest uploads; none, which makes Piscina start another, while all are busy and
 * there may be more. Piscina's own balancer fills one thread up before it starts the next.
 */
export function leastBusy<T extends WorkerLoad>(
  workers: readonly T[],
  threads: number,
  uploadsPerThread: number,
): T | null {
  let least: T | undefined
  for (const worker of workers) {
    if (worker.currentUsage < (least?.currentUsage ?? uploadsPerThread)) least = worker
  }
  if (least === undefined) return null
  return least.currentUsage > 0 && workers.length < threads ? null : least
}
