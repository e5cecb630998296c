/** Lets several loops take turns, one after another in a fixed order: A B A B. */
export class Turns {
  readonly #count: number
  readonly #waiting = new Map<number, { enter: () => void; fail: (error: unknown) => void }>()
  #next = 0
  #failure: { readonly error: unknown } | undefined

  constructor(count: number) {
    this.#count = count
  }

  /** Runs `work` when it is the turn of `index`. Once one has failed, nobody gets a turn any more. */
  async take<T>(index: number, work: () => Promise<T>): Promise<T> {
    await this.#turnOf(index)
    try {
      const result = await work()
      this.#next = (index + 1) % this.#count
      this.#waiting.get(this.#next)?.enter()
      return result
    } catch (error) {
      this.#failure = { error }
      for (const { fail } of this.#waiting.values()) fail(error)
      throw error
    }
  }

  #turnOf(index: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error)
    if (this.#next === index) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const enter = () => {
        this.#waiting.delete(index)
        resolve()
      }
      this.#waiting.set(index, { enter, fail: reject })
    })
  }
}
