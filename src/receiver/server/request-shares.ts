/**
 * How many requests may be open at once, answered or not: each costs some 20 KiB, and a connection may
 * have a hundred. One sender gets more only while it has no more than is left for all others, so that
 * whoever has none open finds room.
 */
export class RequestShares {
  readonly #openBy = new Map<string, number>()
  #free: number

  constructor(limit: number) {
    this.#free = limit
  }

  get free(): number {
    return this.#free
  }

  /** True when there is room; the caller then calls `leave` with the same sender. */
  enter(sender: string): boolean {
    const open = this.#openBy.get(sender) ?? 0
    if (this.#free === 0 || (open > 0 && open + 1 > this.#free - 1)) return false
    this.#openBy.set(sender, open + 1)
    this.#free -= 1
    return true
  }

  leave(sender: string): void {
    const left = (this.#openBy.get(sender) ?? 0) - 1
    if (left > 0) this.#openBy.set(sender, left)
    else this.#openBy.delete(sender)
    this.#free += 1
  }
}
