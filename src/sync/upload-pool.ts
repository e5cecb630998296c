import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina, queueOptionsSymbol } from 'piscina'
import {
  type PortMessage,
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
import { ThreadMemory } from './thread-memory.ts'

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
  readonly #threadMemory = new ThreadMemory()
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
      loadBalancer: (task, workers) => {
        const placement = task[queueOptionsSymbol] as Placement | null
        const chosen =
          workers.find(({ id, currentUsage }) => {
            return id === placement?.wanted && currentUsage < uploadsPerThread
          }) ?? leastBusy(workers, threads, uploadsPerThread)
        if (placement !== null) placement.chosen = chosen?.id
        return chosen
      },
      recordTiming: false,
    })
    this.#piscina.on('error', (error: unknown) => this.#threadDied(error))
    this.#piscina.on('workerDestroy', () => setImmediate(() => this.#threadEnded()))
  }

  get threads(): number {
    return this.#piscina.threads.length
  }

  /** Rejects only when the thread itself died. */
  async upload(shard: Shard): Promise<ShardResult> {
    const frame = packShard(shard)
    const placement: Placement = { wanted: this.#threadMemory.threadOf(shard), chosen: undefined }
    const packed = await this.#run<Uint8Array>(
      // The symbol is for Piscina, which shows the balancer what it names, and does not travel.
      (port): PlacedTask => ({
        kind: 'upload',
        shard: frame,
        port,
        [queueOptionsSymbol]: placement,
      }),
      [frame.buffer],
    )
    const result = unpackShardResult(packed)
    this.#threadMemory.ended(shard, result, placement.chosen)
    return result
  }

  /** Asks the receiver who it is and whom it takes us for. Rejects only when the thread itself died. */
  probe(): Promise<ReceiverDescription | TransferFailure> {
    return this.#run((port) => ({ kind: 'probe', port }), [])
  }

  /** Rejects also when a thread dies that had not yet taken the task. */
  async #run<T>(taskWith: (port: MessagePort) => WorkerTask, buffers: ArrayBuffer[]): Promise<T> {
    const { port1, port2 } = new MessageChannel()
    port1.on('message', (message: Uint8Array) => this.#options.onProgress(unpackProgress(message)))
    this.#ports.add(port1)
    const died = Promise.withResolvers<never>()
    this.#whenThreadDies.add(died.reject)
    try {
      const transferList = [port2, ...buffers]
      const done = this.#piscina.run(taskWith(port2), { transferList })
      return (await Promise.race([done, died.promise])) as T
    } finally {
      this.#whenThreadDies.delete(died.reject)
      this.#ports.delete(port1)
      port1.close()
    }
  }

  /**
   * Has the uploads of large files end early. Bundles under way may finish, and are given up with their
   * connection if they do not soon.
   */
  stopUploads(): void {
    this.#tell(stopMessage)
  }

  dropLost(addresses: readonly string[]): void {
    this.#tell({ addresses })
  }

  #tell(message: PortMessage): void {
    for (const port of this.#ports) port.postMessage(message)
  }

  /**
   * A thread that dies before it took a task leaves the tasks that wait for it in Piscina's queue, and
   * nothing there starts another. Which ones wait is not to be known, so all are tried again.
   */
  #threadDied(error: unknown): void {
    this.#options.onThreadError(error)
    for (const reject of this.#whenThreadDies) reject(error)
  }

  /** One that ends by itself, with no error, before it took a task is not even reported. */
  #threadEnded(): void {
    if (this.threads > 0 || this.#whenThreadDies.size === 0) return
    this.#threadDied(new Error('it ended before it took its task'))
  }

  /** Ends all threads at once. Tasks should have settled: what still runs is rejected. */
  async destroy(): Promise<void> {
    await this.#piscina.destroy()
  }
}

type PlacedTask = WorkerTask & { readonly [queueOptionsSymbol]: Placement }

/** Which thread a task is for, if one is better than another, and which one it was given to. */
interface Placement {
  readonly wanted: number | undefined
  chosen: number | undefined
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
