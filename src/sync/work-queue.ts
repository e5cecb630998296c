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
  #bytes = 0

  get files(): number {
    return this.#small.length + this.#large.length + this.#groups.reduce((n, g) => n + g.length, 0)
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

  /** Files that shall go together, and before all others. */
  addGroup(candidates: readonly Candidate[]): void {
    for (const { sizeBytes } of candidates) this.#bytes += sizeBytes
    this.#groups.push(candidates)
  }

  hasBundle(): boolean {
    return this.#groups.length > 0 || this.#small.length > 0
  }

  hasSingle(): boolean {
    return this.#large.length > 0
  }

  /** At least one file, then as many as fit. Only when there is one. */
  takeBundle(limits: BundleLimits): readonly Candidate[] {
    const group = this.#groups.shift()
    if (group !== undefined) return this.#taken(group)
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
    const all = [...this.#groups.splice(0).flat(), ...this.#small.drain(), ...this.#large.drain()]
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
