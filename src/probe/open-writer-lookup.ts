import { type Clock, systemClock } from '../base/clock.ts'
import { lookUpOpenWriters, type OpenWriters } from './open-writers.ts'

export interface OpenWriterLookupOptions {
  readonly clock?: Clock
  readonly procRoot?: string
  /** How to look; by default {@link lookUpOpenWriters}. */
  readonly lookUp?: () => Promise<OpenWriters>
}

/** A look is good for whoever asks within this time. */
const sharedForMs = 1000

/** Between looks at least this many times what the last one took: a tenth of a core at most. */
const restFactor = 9

/**
 * Serves all who want to know of open writers with as few looks as their needs allow: one for all
 * that ask within a second, and one for all that wait for a newer one. Looks follow each other with
 * rests, so that a device with many processes is not kept busy by them.
 */
export class OpenWriterLookup {
  readonly #clock: Clock
  readonly #lookUp: () => Promise<OpenWriters>
  #last: OpenWriters | undefined
  #running: { readonly startedAtMs: number; readonly result: Promise<OpenWriters> } | undefined
  #next: Promise<OpenWriters> | undefined
  #restUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: OpenWriterLookupOptions = {}) {
    const { clock = systemClock, procRoot = '/proc' } = options
    this.#clock = clock
    this.#lookUp = options.lookUp ?? (() => lookUpOpenWriters({ procRoot, clock }))
  }

  /**
   * The writers as of a look that began at or after `notBeforeMs` (monotonic, not in the future); by
   * default less than a second ago. Rejects with the system's error when /proc cannot be read at all.
   */
  async lookup({ notBeforeMs }: { readonly notBeforeMs?: number } = {}): Promise<OpenWriters> {
    const earliestMs = notBeforeMs ?? this.#clock.monotonicMs() - sharedForMs
    if (this.#last !== undefined && this.#last.takenAtMs >= earliestMs) return this.#last
    if (this.#running !== undefined && this.#running.startedAtMs >= earliestMs) {
      return await this.#running.result
    }
    this.#next ??= this.#startNext()
    return await this.#next
  }

  async #startNext(): Promise<OpenWriters> {
    await this.#running?.result.catch(() => undefined)
    const restMs = Math.min(this.#restUntilMs - this.#clock.monotonicMs(), sharedForMs)
    if (restMs > 0) await this.#clock.sleep(restMs)
    // From here on a caller may need a newer look than this one.
    this.#next = undefined
    const startedAtMs = this.#clock.monotonicMs()
    const result = this.#look(startedAtMs)
    this.#running = { startedAtMs, result }
    return await result
  }

  async #look(startedAtMs: number): Promise<OpenWriters> {
    try {
      this.#last = await this.#lookUp()
      return this.#last
    } finally {
      this.#running = undefined
      const endedAtMs = this.#clock.monotonicMs()
      this.#restUntilMs = endedAtMs + (endedAtMs - startedAtMs) * restFactor
    }
  }
}
