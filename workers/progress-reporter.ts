import type { MessagePort } from 'node:worker_threads'
import { packProgress } from '../src/wire/thread-messages.ts'

interface Running {
  readonly port: MessagePort
  fromByte: number
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
    this.#running.set(shardId, { port, fromByte: 0, sentBytes: 0, reportedBytes: 0 })
    this.#timer ??= setInterval(() => this.#report(), this.#everyMs)
  }

  /** It is sent from this byte on: what stands before it has arrived. */
  begins(shardId: number, fromByte: number): void {
    const running = this.#running.get(shardId)
    if (running !== undefined) Object.assign(running, { fromByte, sentBytes: fromByte })
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
        const { fromByte, sentBytes } = running
        running.reportedBytes = sentBytes
        return { shardId, sentBytes, ...(fromByte > 0 && { fromByte }) }
      }),
    )
    oldest.port.postMessage(frame, [frame.buffer])
  }
}
