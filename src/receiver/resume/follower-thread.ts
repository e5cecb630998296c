import { type FileHandle, open } from 'node:fs/promises'
import { parentPort } from 'node:worker_threads'
import { messageOf } from '../../base/errors.ts'
import { WireError } from '../../wire/wire-error.ts'
import type { Verifier } from '../ingest/verdict.ts'
import { type MessageHead, verifierFor } from '../ingest/verifier.ts'
import { endOfFollowing, type FollowerAnswer, type FollowerOrder } from './follower-messages.ts'

/*
 * A thread of the receiver: reads the files of uploads that go on after a restart and hashes them, so
 * that neither an answer nor another upload waits for that.
 */

const pieceBytes = 1024 * 1024

/** One upload, read from its beginning to wherever it has grown to. */
class Followed {
  readonly #path: string
  readonly #head: MessageHead
  readonly #buffer = Buffer.allocUnsafeSlow(pieceBytes)
  #verifier: Verifier | undefined
  #file: FileHandle | undefined
  #at: number
  #end: number
  #error: unknown
  finishing = false
  forgotten = false
  running = false

  constructor(path: string, start: number, head: MessageHead) {
    this.#path = path
    this.#head = head
    this.#at = start
    this.#end = start
  }

  grown(end: number): void {
    this.#end = end
  }

  get isBehind(): boolean {
    return this.#error === undefined && this.#at < this.#end
  }

  /** Goes a piece further. What goes wrong is told when the verdict is wanted. */
  async step(): Promise<void> {
    try {
      this.#file ??= await open(this.#path, 'r')
      const wanted = Math.min(pieceBytes, this.#end - this.#at)
      const { bytesRead } = await this.#file.read(this.#buffer, 0, wanted, this.#at)
      if (bytesRead === 0) throw new Error(`${this.#path} ends at byte ${this.#at}`)
      this.#verifier ??= verifierFor(this.#head)
      this.#verifier.push(this.#buffer.subarray(0, bytesRead))
      this.#at += bytesRead
    } catch (error) {
      this.#error = error
    }
  }

  answer(key: number): FollowerAnswer {
    try {
      if (this.#error !== undefined) throw this.#error
      this.#verifier ??= verifierFor(this.#head)
      return { key, verdict: this.#verifier.finish() }
    } catch (error) {
      if (!(error instanceof WireError)) return { key, failure: messageOf(error) }
      return { key, wireError: { code: error.code, message: error.message } }
    }
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }
}

const followed = new Map<number, Followed>()

/** Uploads take turns: each `step` ends with a turn of the event loop. */
async function run(key: number, upload: Followed): Promise<void> {
  if (upload.running) return
  upload.running = true
  while (upload.isBehind && !upload.forgotten) await upload.step()
  upload.running = false
  if (!upload.forgotten && !upload.finishing) return
  followed.delete(key)
  await upload.close()
  if (!upload.forgotten) parentPort!.postMessage(upload.answer(key))
}

parentPort!.on('message', (order: FollowerOrder | typeof endOfFollowing) => {
  // Whatever is still being read comes to its end, and the thread with it.
  if (order === endOfFollowing) return parentPort!.close()
  if (order.order === 'follow') {
    followed.set(order.key, new Followed(order.path, order.start, order.head))
    return
  }
  const upload = followed.get(order.key)
  if (upload === undefined) return
  if (order.order === 'grown') upload.grown(order.end)
  else if (order.order === 'finish') upload.finishing = true
  else upload.forgotten = true
  void run(order.key, upload)
})
