import type { Candidate } from '../scan/candidate.ts'

interface Breaks {
  readonly count: number
  /** How often the receiver had answered something by then. */
  readonly signsOfLife: number
  readonly furthestBytes: number
  /** What the receiver had of it when it was tried last. */
  readonly fromByte: number
}

/** So often a file may break off while others go through. */
const suspiciousBreaks = 3
/** The same for a file that has had to wait for reasons of its own before. */
const suspiciousBreaksAgain = 2

/**
 * Tells a file that breaks every connection it is sent over (or makes a proxy refuse, or a thread of
 * ours die) from a link that breaks: in between, the receiver answers others. A file that got further
 * than ever before is not suspected. Knows only files that wait, and forgets them with their candidates.
 */
export class BrokenUploads {
  readonly #breaks = new WeakMap<Candidate, Breaks>()
  #signsOfLife = 0

  /** The receiver has answered something. */
  answered(): void {
    this.#signsOfLife += 1
  }

  /**
   * An upload with this file in it has come to nothing. True when this file may be what does it.
   *
   * @param wasHeld - It has had to wait for reasons of its own before.
   */
  brokeOff(
    candidate: Candidate,
    { sentBytes, fromByte }: { readonly sentBytes: number; readonly fromByte: number },
    wasHeld: boolean,
  ): boolean {
    const last = this.#breaks.get(candidate)
    const signsOfLife = this.#signsOfLife
    const gotFurther =
      last !== undefined && (sentBytes > last.furthestBytes || fromByte > last.fromByte)
    if (last === undefined || gotFurther) {
      const furthestBytes = Math.max(sentBytes, last?.furthestBytes ?? 0)
      this.#breaks.set(candidate, { count: 1, signsOfLife, furthestBytes, fromByte })
      return false
    }
    // Nobody has been answered since: that is the link.
    if (last.signsOfLife === signsOfLife) return false
    const count = last.count + 1
    this.#breaks.set(candidate, { ...last, count, signsOfLife })
    return count >= (wasHeld ? suspiciousBreaksAgain : suspiciousBreaks)
  }
}
