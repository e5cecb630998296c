import { type BytePath, showPath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { Slice } from '../base/slice.ts'
import type { OpenWriters } from '../probe/open-writers.ts'
import type { Candidate } from '../scan/candidate.ts'
import type { Log } from '../telemetry/log.ts'
import type { FileResult, ShardResult } from '../wire/thread-messages.ts'
import type { HeldFiles } from './held-files.ts'
import { quarantine } from './quarantine.ts'
import { removeIfUnchanged } from './remove-file.ts'
import { settlementOf } from './settle.ts'
import type { SyncStats } from './sync-stats.ts'

export interface SettlerOptions {
  readonly clock: Clock
  readonly captureDir: BytePath
  readonly lookUpWriters: () => Promise<OpenWriters>
  readonly held: HeldFiles
  readonly stats: SyncStats
  readonly log: Log
  readonly random: () => number
}

/** A look at who writes is good for this long. */
const writersGoodForMs = 1000

/** Does with each file what its outcome calls for. The only place that removes files. */
export class Settler {
  readonly #options: SettlerOptions

  constructor(options: SettlerOptions) {
    this.#options = options
  }

  /** Returns the files that were not sent at all: their shard's failure decides about them. */
  async settle(
    candidates: readonly Candidate[],
    { files }: ShardResult,
  ): Promise<readonly Candidate[]> {
    const notSent: Candidate[] = []
    const slice = new Slice(this.#options.clock)
    let writers: OpenWriters | null = null
    for (const [index, candidate] of candidates.entries()) {
      const result = files[index]!
      if (result.status === 'not_sent') {
        notSent.push(candidate)
        continue
      }
      if (candidate.kind === 'arbitrary' && result.status === 'answered') {
        if (writers === null || this.#isOld(writers)) writers = await this.#options.lookUpWriters()
      }
      this.#settleOne(candidate, result, writers)
      if (slice.isOver()) await slice.next()
    }
    return notSent
  }

  /** Counts a try that failed for reasons of the file's own, and has it wait. */
  retryLater({ path }: Candidate, why: string): void {
    const { clock, held, stats, log, random } = this.#options
    stats.retried += 1
    const attempts = held.hold(path, clock.monotonicMs(), random())
    log.warn('file_held', `will try again: ${why}`, { path: showPath(path), attempts })
  }

  setAside(candidate: Candidate, why: string): void {
    const { path } = candidate
    const { captureDir, stats, log, held } = this.#options
    const moved = quarantine(path, captureDir)
    if ('movedTo' in moved) {
      stats.quarantined += 1
      held.release(path)
      const fields = { path: showPath(path), moved_to: showPath(moved.movedTo) }
      log.warn('file_quarantined', `set aside: ${why}`, fields)
    } else {
      this.retryLater(candidate, `${why}; could not be set aside (${moved.errno})`)
    }
  }

  #isOld(writers: OpenWriters): boolean {
    return this.#options.clock.monotonicMs() - writers.takenAtMs > writersGoodForMs
  }

  #settleOne(candidate: Candidate, result: FileResult, writers: OpenWriters | null): void {
    const settlement = settlementOf(result)
    if (result.status === 'answered' && result.outcome.status === 'rejected') {
      this.#options.stats.rejected += 1
    }
    switch (settlement?.action) {
      case undefined:
      case 'leave':
        this.#options.held.release(candidate.path)
        return
      case 'remove':
        return this.#remove(candidate, result, settlement.already, writers)
      case 'retry':
        return this.retryLater(candidate, settlement.why)
      case 'quarantine':
        return this.setAside(candidate, settlement.why)
      default:
        return settlement satisfies never
    }
  }

  #remove(
    { path, kind, sizeBytes }: Candidate,
    result: FileResult,
    already: boolean,
    writers: OpenWriters | null,
  ): void {
    if (result.status !== 'answered') return
    const { stats, held, log } = this.#options
    if (already) stats.alreadyStored += 1
    else stats.stored += 1
    stats.bytes += sizeBytes
    const removal = removeIfUnchanged(path, result.identity, kind === 'arbitrary' ? writers : null)
    switch (removal.result) {
      case 'removed':
        stats.removed += 1
        held.release(path)
        return
      case 'kept':
        // Changed or still written to: the receiver has this version, the next scan finds the next.
        stats.keptAfterUpload += 1
        held.release(path)
        return
      case 'failed':
        stats.keptAfterUpload += 1
        stats.retried += 1
        held.hold(path, this.#options.clock.monotonicMs(), this.#options.random())
        return log.error('not_removable', 'stored at the receiver, but could not be removed here', {
          path: showPath(path),
          code: removal.errno,
        })
      default:
        return removal satisfies never
    }
  }
}
