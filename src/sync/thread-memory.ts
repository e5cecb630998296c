import type { BytePath } from '../base/byte-path.ts'
import type { Shard, ShardResult } from '../wire/thread-messages.ts'

/** Far more than the threads themselves remember. */
const mostFiles = 1024

/**
 * Which thread carried a large file whose upload broke off: that thread knows how far it was and has
 * hashed it up to there. Another one can go on as well, but reads the file from its beginning.
 */
export class ThreadMemory {
  readonly #threadByPath = new Map<BytePath, number>()

  threadOf(shard: Shard): number | undefined {
    return shard.kind === 'single' ? this.#threadByPath.get(shard.files[0]!.path) : undefined
  }

  ended(shard: Shard, { files, failure }: ShardResult, threadId: number | undefined): void {
    if (shard.kind !== 'single') return
    const { path } = shard.files[0]!
    this.#threadByPath.delete(path)
    const status = files[0]?.status
    const isOver = failure === undefined && (status === 'answered' || status === 'changed')
    if (isOver || threadId === undefined) return
    this.#threadByPath.set(path, threadId)
    if (this.#threadByPath.size <= mostFiles) return
    const [oldest] = this.#threadByPath.keys()
    this.#threadByPath.delete(oldest!)
  }
}
