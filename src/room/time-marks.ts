interface Mark {
  readonly wallMs: number
  /** How much had been counted by then. */
  readonly countedMs: number
}

/**
 * Says what the wall clock showed when a given time, which is counted with pauses, had still to come.
 * Keeps no more marks than are made while `windowMs` are counted.
 */
export class TimeMarks {
  readonly #windowMs: number
  #marks: Mark[] = []
  #countedMs = 0

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  get size(): number {
    return this.#marks.length
  }

  /** @param passedMs - What has been counted since the last mark. */
  add(wallMs: number, passedMs: number): void {
    this.#countedMs += passedMs
    const last = this.#marks.at(-1)
    // Where nothing is counted the later time says as much.
    if (last?.countedMs === this.#countedMs) this.#marks.pop()
    this.#marks.push({ wallMs, countedMs: this.#countedMs })
    while (this.#marks.length > 1 && this.#isBeforeWindow(this.#marks[1]!)) this.#marks.shift()
  }

  clear(): void {
    this.#marks = []
    this.#countedMs = 0
  }

  /** The latest time since which the whole window has been counted; undefined when it never has. */
  windowBeganMs(): number | undefined {
    const [first] = this.#marks
    return first !== undefined && this.#isBeforeWindow(first) ? first.wallMs : undefined
  }

  #isBeforeWindow({ countedMs }: Mark): boolean {
    return countedMs <= this.#countedMs - this.#windowMs
  }
}
