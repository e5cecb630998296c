import type { Clock } from '../base/clock.ts'
import type { NetworkState } from '../probe/network-state.ts'

export interface NetworkWatchOptions {
  readonly clock: Clock
  readonly networkState: () => NetworkState
  /** There are other addresses or default routes than before, and at least one address. */
  readonly onChange: () => void
}

const everyMs = 1000

/**
 * Notices that the network of this device changes, while somebody wants to know: looks once a second.
 * Asks no other process and touches no disk; when it is not running it does nothing at all.
 */
export class NetworkWatch {
  readonly #options: NetworkWatchOptions
  #running: AbortController | undefined

  constructor(options: NetworkWatchOptions) {
    this.#options = options
  }

  /** Compares with what is there now. Does nothing when it runs already. */
  start(): void {
    if (this.#running !== undefined) return
    this.#running = new AbortController()
    void this.#watch(this.#running.signal)
  }

  /** Frees its timer, which keeps the process alive. */
  stop(): void {
    this.#running?.abort()
    this.#running = undefined
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, networkState, onChange } = this.#options
    let known = networkState().fingerprint
    for (;;) {
      await clock.sleep(everyMs, signal)
      if (signal.aborted) return
      const { fingerprint, hasAddress } = networkState()
      if (fingerprint === known) continue
      known = fingerprint
      // Without an address there is nothing to try.
      if (hasAddress) onChange()
    }
  }
}
