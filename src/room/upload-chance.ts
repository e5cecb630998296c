import { TimeMarks } from './time-marks.ts'

/** What a file has to be uploaded before it may go without: counted while the receiver takes files. */
const chanceMs = 10 * 60_000

/** However rarely somebody looks: what lies between two looks is not known for longer. */
const longestPassedMs = 60_000

export interface LinkLook {
  /** Uploads are allowed, and the receiver takes them as far as is known. */
  readonly isOnline: boolean
  readonly wallMs: number
  readonly monotonicMs: number
}

/**
 * Which files have had their chance to be uploaded. Knows nothing of single files: only what the wall
 * clock showed ten minutes of online time ago, and, while the receiver cannot be had, ten minutes of
 * this outage ago. Starts with the daemon, so that a restart gives every file its time again.
 *
 * A wall clock that is set forward does no harm: files and marks from before have earlier times alike.
 * When it is set back, everything begins anew.
 */
export class UploadChance {
  readonly #online = new TimeMarks(chanceMs)
  readonly #outage = new TimeMarks(chanceMs)
  #last: LinkLook | undefined

  /** To be called again and again: time counts between two looks that find the same. */
  look(now: LinkLook): void {
    if (this.#last !== undefined && now.wallMs < this.#last.wallMs) this.reset()
    const { isOnline, wallMs } = now
    const passedMs = this.#last?.isOnline === isOnline ? this.#passedMs(now) : 0
    this.#last = now
    this.#online.add(wallMs, isOnline ? passedMs : 0)
    if (isOnline) this.#outage.clear()
    else this.#outage.add(wallMs, passedMs)
  }

  /** Nobody could have uploaded anything, for reasons other than the link: all begins anew. */
  reset(): void {
    this.#online.clear()
    this.#outage.clear()
    this.#last = undefined
  }

  /**
   * Whether a file that became ready then, by its own times, has had its chance. One from the future
   * became ready before the clock was put right, which was before the first look; a little ahead may
   * also be the clock of a file server.
   *
   * @param wallMs - The wall clock now.
   */
  isOverFor(readyAtMs: number, wallMs: number): boolean {
    if (!this.isOverForSome) return false
    return readyAtMs <= this.#beganMs() || readyAtMs > wallMs + chanceMs
  }

  /** False as long as no file at all can have had its chance. */
  get isOverForSome(): boolean {
    return this.#beganMs() > Number.NEGATIVE_INFINITY
  }

  #beganMs(): number {
    const never = Number.NEGATIVE_INFINITY
    return Math.max(this.#online.windowBeganMs() ?? never, this.#outage.windowBeganMs() ?? never)
  }

  #passedMs({ monotonicMs }: LinkLook): number {
    return Math.min(monotonicMs - this.#last!.monotonicMs, longestPassedMs)
  }
}
