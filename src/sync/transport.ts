import type { Shard, ShardResult } from '../wire/thread-messages.ts'

/** The seam between the coordinator and whatever carries shards to the receiver. */
export interface Transport {
  /** Rejects only when what carries it died; then nothing is known of the files. */
  upload(shard: Shard): Promise<ShardResult>
  /** Has uploads that can be broken off end early. */
  stopUploads(): void
}
