interface Waiter {
  readonly sizeBytes: number
  readonly enter: () => void
}

/**
 * How many bytes of incomplete messages may be in memory at once. Who finds no room waits, in order,
 * and does not read from its stream meanwhile: HTTP/2's flow control then holds the sender back.
 */
export class MemoryBudget {
  /** In order of arrival; who leaves early is taken out of the middle. */
  readonly #waiting = new Set<Waiter>()
  #freeBytes: number

  constructor(totalBytes: number) {
    this.#freeBytes = totalBytes
  }

  /** How many wait for room. */
  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * Resolves with true when `sizeBytes` (at most the total) are the caller's, who gives them back; or
   * with false when `body` has gone before that.
   */
  take(
    sizeBytes: number,
    body: { readonly destroyed: boolean } & NodeJS.EventEmitter,
  ): Promise<boolean> {
    if (body.destroyed) return Promise.resolve(false)
    if (this.#waiting.size === 0 && sizeBytes <= this.#freeBytes) {
      this.#freeBytes -= sizeBytes
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const onClose = () => {
        this.#waiting.delete(waiter)
        resolve(false)
        // It may have been the one at the front that was too large.
        this.#admit()
      }
      const waiter: Waiter = {
        sizeBytes,
        enter: () => {
          body.off('close', onClose)
          resolve(true)
        },
      }
      body.once('close', onClose)
      this.#waiting.add(waiter)
    })
  }

  giveBack(sizeBytes: number): void {
    this.#freeBytes += sizeBytes
    this.#admit()
  }

  #admit(): void {
    for (const waiter of this.#waiting) {
      if (waiter.sizeBytes > this.#freeBytes) return
      this.#waiting.delete(waiter)
      this.#freeBytes -= waiter.sizeBytes
      waiter.enter()
    }
  }
}
