/** Has pieces of work wait for each other, in the order in which they came. */
export class Turns {
  #last: Promise<void> = Promise.resolve()

  async take<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last
    const done = Promise.withResolvers<void>()
    this.#last = done.promise
    await before
    try {
      return await work()
    } finally {
      done.resolve()
    }
  }
}
