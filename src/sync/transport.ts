import type { Shard, ShardResult } from '../wire/thread-messages.ts'
import type { TransferFailure } from '../wire/transfer-failure.ts'
import type { ReceiverDescription } from '../wire/worker-data.ts'

/** The seam between the coordinator and whatever carries shards to the receiver. */
export interface Transport {
  /** Rejects only when what carries it died; then nothing is known of the files. */
  upload(shard: Shard): Promise<ShardResult>
  /** Asks the receiver who it is and whom it takes us for. Rejects only when what carries it died. */
  probe(): Promise<ReceiverDescription | TransferFailure>
  /** Has uploads that can be broken off end early. */
  stopUploads(): void
  /**
   * Gives up connections from addresses that are none of these, which are all that this device has.
   * What is under way on them fails.
   */
  dropLost(addresses: readonly string[]): void
}
