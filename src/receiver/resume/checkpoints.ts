import type { Clock } from '../../base/clock.ts'
import { NotRecordedError, type OwnSegment } from '../store/segment-store.ts'

/** What a power cut of the receiver may cost an upload: so many bytes, or what came in so long. */
const everyBytes = 64 * 1024 * 1024
const everyMs = 1000

/** Has a growing segment reach stable storage again and again, beside the writing. */
export class Checkpoints {
  readonly #segment: OwnSegment
  readonly #clock: Clock
  #reachedBytes: number
  #running: Promise<void> | undefined
  #timer: AbortController | undefined
  #failure: { readonly error: unknown } | undefined
  #notRecorded: NotRecordedError | undefined

  constructor(segment: OwnSegment, clock: Clock) {
    this.#segment = segment
    this.#clock = clock
    this.#reachedBytes = segment.sizeBytes
  }

  /** More has been written. @throws what an earlier checkpoint failed with */
  wrote(): void {
    this.#throwFailure()
    if (this.#running !== undefined) return
    if (this.#segment.sizeBytes - this.#reachedBytes >= everyBytes) this.#run()
    else this.#timer ??= this.#runLater()
  }

  /** Resolves when all that was written is on stable storage. @throws what the disk said */
  async settle(): Promise<void> {
    await this.quiet()
    if (this.#segment.sizeBytes === this.#reachedBytes) return
    this.#run()
    await this.#running
    this.#throwFailure()
    if (this.#notRecorded !== undefined) throw this.#notRecorded
  }

  /** Starts none any more, and resolves when none is under way. @throws what one failed with */
  async quiet(): Promise<void> {
    this.#timer?.abort()
    this.#timer = undefined
    await this.#running
    this.#throwFailure()
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  #runLater(): AbortController {
    const timer = new AbortController()
    void this.#clock.sleep(everyMs, timer.signal).then(() => {
      if (timer.signal.aborted) return
      this.#timer = undefined
      if (this.#running === undefined) this.#run()
    })
    return timer
  }

  #run(): void {
    this.#timer?.abort()
    this.#timer = undefined
    const sizeBytes = this.#segment.sizeBytes
    this.#notRecorded = undefined
    this.#running = this.#segment.checkpoint().then(
      () => {
        this.#reachedBytes = sizeBytes
        this.#running = undefined
      },
      (error: unknown) => {
        // Tried again with the next one: nothing is wrong with the bytes.
        if (error instanceof NotRecordedError) this.#notRecorded = error
        else this.#failure = { error }
        this.#running = undefined
      },
    )
  }
}
