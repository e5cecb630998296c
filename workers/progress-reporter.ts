import type { MessagePort } from 'node:worker_threads'
import { packProgress } from '../src/wire/thread-messages.ts'

interface Running {
  readonly port: MessagePort
  sentBytes: number
  reportedBytes: number
}

/**
 * Tells the main thread how far this thread's uploads are: one frame for all of them every
 * `everyMs`, and none while nothing moves. The frame goes over the port of the task that has run
 * longest.
 */
export class ProgressReporter {
  readonly #everyMs: number
  readonly #running = new Map<number, Running>()
  #timer: NodeJS.Timeout | undefined

  constructor(everyMs: number) {
    this.#everyMs = everyMs
  }

  start(shardId: number, port: MessagePort): void {
    this.#running.set(shardId, { port, sentBytes: 0, reportedBytes: 0 })
    this.#timer ??= setInterval(() => this.#report(), this.#everyMs)
  }

  sent(shardId: number, sizeBytes: number): void {
    const running = this.#running.get(shardId)
    if (running !== undefined) running.sentBytes += sizeBytes
  }

  end(shardId: number): void {
    this.#running.delete(shardId)
    if (this.#running.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #report(): void {
    const moved = [...this.#running].filter(([, { sentBytes, reportedBytes }]) => {
      return sentBytes !== reportedBytes
    })
    const [oldest] = this.#running.values()
    if (moved.length === 0 || oldest === undefined) return
    const frame = packProgress(
      moved.map(([shardId, running]) => {
        running.reportedBytes = running.sentBytes
        return { shardId, sentBytes: running.sentBytes }
      }),
    )
    oldest.port.postMessage(frame, [frame.buffer])
  }
}
