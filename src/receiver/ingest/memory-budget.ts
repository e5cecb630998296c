interface Waiter {
  readonly sizeBytes: number
  readonly enter: () => void
}

/**
 * How many bytes of incomplete messages may be in memory at once. Who finds no room waits and does not
 * read from its stream meanwhile: HTTP/2's flow control then holds the sender back.
 *
 * A machine that has something already gets more only while it has no more than is left for all
 * others: one that fills its share and sends a byte now and then leaves half to the rest, two of them
 * leave a third, and whoever has nothing finds room.
 */
export class MemoryBudget {
  /** Whose turn is next comes first; in each, in order of arrival. Who leaves is taken out of the middle. */
  readonly #queues = new Map<string, Set<Waiter>>()
  readonly #heldBytes = new Map<string, number>()
  #waiting = 0
  #freeBytes: number

  constructor(totalBytes: number) {
    this.#freeBytes = totalBytes
  }

  /** How many wait for room. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * Resolves with true when `sizeBytes` (at most the total) are the caller's, who gives them back; or
   * with false when `body` has gone before that.
   */
  take(
    machine: string,
    sizeBytes: number,
    body: { readonly destroyed: boolean } & NodeJS.EventEmitter,
  ): Promise<boolean> {
    if (body.destroyed) return Promise.resolve(false)
    return new Promise((resolve) => {
      const onClose = () => {
        this.#leave(machine, waiter)
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
      const queue = this.#queues.get(machine) ?? new Set()
      this.#queues.set(machine, queue.add(waiter))
      this.#waiting += 1
      this.#admit()
    })
  }

  giveBack(machine: string, sizeBytes: number): void {
    this.#freeBytes += sizeBytes
    const held = this.#held(machine) - sizeBytes
    if (held > 0) this.#heldBytes.set(machine, held)
    else this.#heldBytes.delete(machine)
    this.#admit()
  }

  /** Machine by machine in turn: one that is let in goes to the end, and the loop comes to it again. */
  #admit(): void {
    for (const [machine, [waiter]] of this.#queues) {
      if (waiter === undefined || this.#hasItsShare(machine, waiter)) continue
      // Nobody else overtakes, or a large message would never find room.
      if (waiter.sizeBytes > this.#freeBytes) return
      this.#leave(machine, waiter)
      const queue = this.#queues.get(machine)
      if (queue !== undefined) {
        this.#queues.delete(machine)
        this.#queues.set(machine, queue)
      }
      this.#freeBytes -= waiter.sizeBytes
      this.#heldBytes.set(machine, this.#held(machine) + waiter.sizeBytes)
      waiter.enter()
    }
  }

  #hasItsShare(machine: string, { sizeBytes }: Waiter): boolean {
    const held = this.#held(machine)
    return held > 0 && held + sizeBytes > this.#freeBytes - sizeBytes
  }

  #held(machine: string): number {
    return this.#heldBytes.get(machine) ?? 0
  }

  #leave(machine: string, waiter: Waiter): void {
    const queue = this.#queues.get(machine)
    if (queue?.delete(waiter) !== true) return
    this.#waiting -= 1
    if (queue.size === 0) this.#queues.delete(machine)
  }
}
