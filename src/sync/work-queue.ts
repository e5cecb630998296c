import { Fifo } from '../base/fifo.ts'
import type { Candidate } from '../scan/candidate.ts'
import { singleUploadAboveBytes } from '../wire/limits.ts'

export type ShardKind = 'bundle' | 'single'

export interface BundleLimits {
  readonly payloadBytes: number
  readonly files: number
}

/**
 * Candidates that wait for an upload, small files and large ones apart, each in the order in which
 * they were found. The halves of a bundle that was refused come before all others.
 */
export class WorkQueue {
  #small = new Fifo<Candidate>()
  #large = new Fifo<Candidate>()
  /** Groups that must be sent as they are: the halves of a bundle that was refused. */
  readonly #groups: (readonly Candidate[])[] = []
  /** Small files that have failed before. */
  readonly #alone = new Fifo<Candidate>()
  #aloneIsNext = true
  #bytes = 0

  get files(): number {
    const grouped = this.#groups.reduce((n, group) => n + group.length, 0)
    return this.#small.length + this.#large.length + this.#alone.length + grouped
  }

  get bytes(): number {
    return this.#bytes
  }

  add(candidates: Iterable<Candidate>): void {
    for (const candidate of candidates) {
      this.#bytes += candidate.sizeBytes
      if (isLarge(candidate)) this.#large.push(candidate)
      else this.#small.push(candidate)
    }
  }

  /** A file that has failed before: no other shall suffer from it again. */
  addAlone(candidate: Candidate): void {
    this.#bytes += candidate.sizeBytes
    if (isLarge(candidate)) this.#large.push(candidate)
    else this.#alone.push(candidate)
  }

  /** Files that shall go together, and before all others. */
  addGroup(candidates: readonly Candidate[]): void {
    for (const { sizeBytes } of candidates) this.#bytes += sizeBytes
    this.#groups.push(candidates)
  }

  hasBundle(): boolean {
    return this.#groups.length > 0 || this.#small.length > 0 || this.#alone.length > 0
  }

  hasSingle(): boolean {
    return this.#large.length > 0
  }

  /**
   * At least one file, then as many as fit. Only when there is one.
   *
   * @param unsuspected - Rather files against which nothing is known: it is to show whether the link works.
   */
  takeBundle(limits: BundleLimits, unsuspected = false): readonly Candidate[] {
    const isTaken = unsuspected && this.#small.length > 0
    if (!isTaken && this.#groups.length > 0) return this.#taken(this.#groups.shift()!)
    if (!isTaken && this.#alone.length > 0) {
      // In turns with all others, however many have failed before.
      const isItsTurn = this.#aloneIsNext || this.#small.length === 0
      this.#aloneIsNext = !isItsTurn
      if (isItsTurn) return this.#taken([this.#alone.shift()!])
    }
    const bundle = [this.#small.shift()!]
    let payloadBytes = bundle[0]!.sizeBytes
    while (bundle.length < limits.files) {
      const next = this.#small.peek()
      if (next === undefined || payloadBytes + next.sizeBytes > limits.payloadBytes) break
      payloadBytes += next.sizeBytes
      bundle.push(this.#small.shift()!)
    }
    return this.#taken(bundle)
  }

  takeSingle(): readonly Candidate[] {
    return this.#taken([this.#large.shift()!])
  }

  /** Takes out everything that waits. */
  clear(): readonly Candidate[] {
    const all = [
      ...this.#groups.splice(0).flat(),
      ...this.#alone.drain(),
      ...this.#small.drain(),
      ...this.#large.drain(),
    ]
    return this.#taken(all)
  }

  #taken(candidates: readonly Candidate[]): readonly Candidate[] {
    for (const { sizeBytes } of candidates) this.#bytes -= sizeBytes
    return candidates
  }
}

function isLarge({ sizeBytes }: Candidate): boolean {
  return sizeBytes > singleUploadAboveBytes
}
