import { Worker } from 'node:worker_threads'
import { WireError } from '../../wire/wire-error.ts'
import type { Verdict } from '../ingest/verdict.ts'
import type { MessageHead } from '../ingest/verifier.ts'
import { endOfFollowing, type FollowerAnswer, type FollowerOrder } from './follower-messages.ts'
import type { Verification } from './verification.ts'

const threadUrl = new URL(
  import.meta.url.endsWith('.ts') ? './follower-thread.ts' : './follower-thread.js',
  import.meta.url,
)

type Answered = PromiseWithResolvers<Verdict>

/** The thread is no more: nothing is said about the bytes, which another one can read. */
export class FollowerEndedError extends Error {
  override readonly name = 'FollowerEndedError'
}

/**
 * Verifies uploads that began in an earlier process, from their files, on a thread of its own. The
 * thread runs only while there are some.
 */
export class Follower {
  #thread: Worker | undefined
  #nextKey = 1
  readonly #verdicts = new Map<number, Answered>()

  /** @param size - How much of the file is there already. */
  follow(path: string, head: MessageHead, start: number, size: number): Verification {
    const key = this.#nextKey++
    const verdict = Promise.withResolvers<Verdict>()
    // Whoever wants the verdict is told; a thread that dies before that is nobody's rejection yet.
    verdict.promise.catch(() => {})
    this.#verdicts.set(key, verdict)
    this.#tell({ order: 'follow', key, path, start, head })
    this.#tell({ order: 'grown', key, end: size })
    let end = size
    return {
      push: (bytes) => {
        end += bytes.length
        this.#tell({ order: 'grown', key, end })
      },
      finish: () => {
        this.#tell({ order: 'finish', key })
        return verdict.promise
      },
      end: () => {
        this.#tell({ order: 'forget', key })
        this.#forget(key)
      },
    }
  }

  /** Whoever waits for a verdict is told that there will be none. */
  async close(): Promise<void> {
    await this.#thread?.terminate()
  }

  #tell(order: FollowerOrder): void {
    if (!this.#verdicts.has(order.key)) return
    this.#thread ??= this.#start()
    this.#thread.postMessage(order)
  }

  #start(): Worker {
    const thread = new Worker(threadUrl)
    // It must not keep the receiver alive.
    thread.unref()
    thread.on('message', (answer: FollowerAnswer) => this.#onAnswer(answer))
    thread.on('error', (error) => this.#onDeath(thread, error))
    thread.on('exit', () => this.#onDeath(thread))
    return thread
  }

  #onAnswer(answer: FollowerAnswer): void {
    const verdict = this.#verdicts.get(answer.key)
    this.#forget(answer.key)
    if ('verdict' in answer) verdict?.resolve(answer.verdict)
    else if ('wireError' in answer) {
      verdict?.reject(new WireError(answer.wireError.code, answer.wireError.message))
    } else verdict?.reject(new Error(answer.failure))
  }

  #onDeath(thread: Worker, cause?: unknown): void {
    if (this.#thread !== thread) return
    this.#thread = undefined
    const verdicts = [...this.#verdicts.values()]
    this.#verdicts.clear()
    for (const { reject } of verdicts) {
      reject(new FollowerEndedError('the thread that hashes has ended', { cause }))
    }
  }

  #forget(key: number): void {
    this.#verdicts.delete(key)
    if (this.#verdicts.size > 0) return
    const thread = this.#thread
    this.#thread = undefined
    // Not before it has done what it was told: it closes its file.
    thread?.postMessage(endOfFollowing)
  }
}
