/**
 * How many bytes of incomplete messages may be in memory at once. Who finds no room waits, in order,
 * and does not read from its stream meanwhile: HTTP/2's flow control then holds the sender back.
 */
export class MemoryBudget {
  readonly #waiting: { readonly sizeBytes: number; readonly enter: () => void }[] = []
  #freeBytes: number

  constructor(totalBytes: number) {
    this.#freeBytes = totalBytes
  }

  /** Resolves when `sizeBytes` (at most the total) are the caller's, who gives them back. */
  take(sizeBytes: number): Promise<void> {
    if (this.#waiting.length === 0 && sizeBytes <= this.#freeBytes) {
      this.#freeBytes -= sizeBytes
      return Promise.resolve()
    }
    return new Promise((enter) => this.#waiting.push({ sizeBytes, enter }))
  }

  giveBack(sizeBytes: number): void {
    this.#freeBytes += sizeBytes
    let next = this.#waiting[0]
    while (next !== undefined && next.sizeBytes <= this.#freeBytes) {
      this.#waiting.shift()
      this.#freeBytes -= next.sizeBytes
      next.enter()
      next = this.#waiting[0]
    }
  }
}
