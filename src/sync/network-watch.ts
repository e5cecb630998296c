import type { Clock } from '../base/clock.ts'
import type { NetworkState } from '../probe/network-state.ts'

export interface NetworkWatchOptions {
  readonly clock: Clock
  readonly networkState: () => NetworkState
  /** There are other addresses or default routes than before. */
  readonly onChange: (state: NetworkState) => void
}

const everyMs = 1000

/**
 * Notices that the network of this device changes, while somebody wants to know: looks once a second.
 * Asks no other process and touches no disk; when it is not running it does nothing at all.
 */
export class NetworkWatch {
  readonly #options: NetworkWatchOptions
  #running: AbortController | undefined
  #known: string | undefined

  constructor(options: NetworkWatchOptions) {
    this.#options = options
  }

  /** Compares with what was there when it was last wanted, if ever. Its timer keeps the process alive. */
  run(isWanted: boolean): void {
    if (isWanted === (this.#running !== undefined)) return
    this.#running?.abort()
    this.#running = isWanted ? new AbortController() : undefined
    if (this.#running !== undefined) void this.#watch(this.#running.signal)
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, networkState, onChange } = this.#options
    this.#known ??= networkState().fingerprint
    for (;;) {
      await clock.sleep(everyMs, signal)
      if (signal.aborted) return
      const state = networkState()
      if (state.fingerprint === this.#known) continue
      this.#known = state.fingerprint
      onChange(state)
    }
  }
}
