import { type BytePath, parentOf, showPath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { errnoOf, messageOf } from '../base/errors.ts'
import type { FileIdentity } from '../base/file-identity.ts'
import { Slice } from '../base/slice.ts'
import type { Candidate } from '../scan/candidate.ts'
import { mayBeWritten, needsWriterCheck, type Writers } from '../scan/writers-rule.ts'
import type { Log } from '../telemetry/log.ts'
import type { FileResult, ShardResult } from '../wire/thread-messages.ts'
import type { EmptiedFolders } from './emptied-folders.ts'
import type { HeldFiles, Hold } from './held-files.ts'
import { OwedRemovals } from './owed-removals.ts'
import { quarantine } from './quarantine/quarantine.ts'
import type { SetAsideCode } from './quarantine/sidecar.ts'
import { type Removal, removeIfUnchanged } from './remove-file.ts'
import { settlementOf } from './settle.ts'
import type { SyncStats } from './sync-stats.ts'

export interface SettlerOptions {
  readonly clock: Clock
  /** Without symbolic links, as it is now: it may be on a disk that is mounted late. */
  readonly captureDir: () => BytePath
  /** A look that began at or after `notBeforeMs`, on the monotonic clock. */
  readonly lookUpWriters: (notBeforeMs: number) => Promise<Writers>
  /** A look serves for this long from when it began. @default 1000 */
  readonly writersGoodForMs?: number
  readonly held: HeldFiles
  /** Told of folders that may be empty now. Undefined: they stay. */
  readonly emptied: Pick<EmptiedFolders, 'removedFrom'> | undefined
  readonly stats: SyncStats
  readonly log: Log
  readonly random: () => number
}

/** So often the receiver must turn a name down, with growing pauses in between. */
const triesOfName = 3

/** One lookup serves all files of a second, whoever asked for it. */
const secondMs = 1000
/** One that took long would be of no use otherwise: it serves for as long again, up to this. */
const slowLookUsedForMs = 500

/** Everything else that such a file is held for is said at other tries. */
const triesUntilSetAside: Readonly<Record<SetAsideCode, number>> = {
  name_not_allowed: 1,
  message_refused: 3,
}

/** Does with each file what its outcome calls for. The only place that removes what was uploaded. */
export class Settler {
  readonly #options: SettlerOptions
  readonly #owed = new OwedRemovals()
  #look: { readonly writers: Writers; readonly goodUntilMs: number } | undefined

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
    for (const [index, candidate] of candidates.entries()) {
      const result = files[index]
      if (result === undefined || result.status === 'not_sent') notSent.push(candidate)
      else await this.#guarded(candidate, () => this.#settleOne(candidate, result))
      if (slice.isOver()) await slice.next()
    }
    return notSent
  }

  /** True for a file that the receiver has, and that only has to be removed. */
  owes(candidate: Candidate): boolean {
    return this.#owed.of(candidate) !== undefined
  }

  /** Removes what could not be removed before, without another upload. */
  async removeOwed(candidates: readonly Candidate[]): Promise<void> {
    const slice = new Slice(this.#options.clock)
    for (const candidate of candidates) {
      const identity = this.#owed.of(candidate)
      if (identity !== undefined) {
        await this.#guarded(candidate, () => this.#remove(candidate, identity))
      }
      if (slice.isOver()) await slice.next()
    }
  }

  /** Counts a try that failed for reasons of the file's own, and has it wait. */
  retryLater(candidate: Candidate, why: string): void {
    this.#retryLater(candidate, why, 1)
  }

  /** @param triesPerReason - So often the file is tried until this reason comes up again. */
  #retryLater(candidate: Candidate, why: string, triesPerReason: number): void {
    const { stats, log } = this.#options
    stats.retried += 1
    const { attempts, held, isNew } = this.#hold(candidate)
    if (!isNew || !isWorthALine(Math.ceil(attempts / triesPerReason))) return
    const fields = { path: showPath(held), attempts }
    if (held === candidate.path) return log.warn('file_held', `will try again: ${why}`, fields)
    const text = 'too many files have failed: everything in this folder waits, and is tried again'
    log.warn('folder_held', `${text}; the last one: ${why}`, fields)
  }

  /** Sets a file aside whose message the receiver has refused, time and again. */
  setAside(candidate: Candidate, why: string): void {
    this.#setAside(candidate, 'message_refused', why)
  }

  #setAside(candidate: Candidate, code: SetAsideCode, why: string): void {
    const { path } = candidate
    const { captureDir, clock, stats, log, held } = this.#options
    const attempts = held.attempts(candidate) + 1
    const reason = { code, why, atMs: clock.wallMs(), attempts }
    const moved = quarantine(candidate, captureDir(), reason)
    switch (moved.result) {
      case 'moved': {
        stats.quarantined += 1
        held.release(path)
        const { to, sidecarErrno } = moved
        return log.warn('file_quarantined', `set aside: ${why}`, {
          path: showPath(path),
          moved_to: showPath(to),
          code,
          ...(sidecarErrno !== undefined && { no_why_file: sidecarErrno }),
        })
      }
      case 'changed':
        // Another file by now: nothing is known against that one.
        return held.release(path)
      case 'failed': {
        const text = `${why}; could not be set aside (${moved.errno})`
        return this.#retryLater(candidate, text, triesUntilSetAside[code])
      }
      default:
        return moved satisfies never
    }
  }

  /** Whatever goes wrong with one file keeps that file here and the others going. */
  async #guarded(candidate: Candidate, settle: () => void | Promise<void>): Promise<void> {
    try {
      await settle()
    } catch (error) {
      this.retryLater(candidate, `could not be settled (${messageOf(error)})`)
    }
  }

  #settleOne(candidate: Candidate, result: FileResult): void | Promise<void> {
    const { stats, held } = this.#options
    const settlement = settlementOf(result)
    if (result.status === 'answered' && result.outcome.status === 'rejected') stats.rejected += 1
    switch (settlement?.action) {
      case undefined:
      case 'leave':
        return held.release(candidate.path)
      case 'remove':
        if (settlement.already) stats.alreadyStored += 1
        else stats.stored += 1
        stats.bytes += settlement.identity.sizeBytes
        return this.#remove(candidate, settlement.identity)
      case 'retry':
        return this.retryLater(candidate, settlement.why)
      case 'quarantine':
        // One answer of a receiver that is out of its mind must not empty the device.
        return held.attempts(candidate) + 1 < triesOfName
          ? this.retryLater(candidate, settlement.why)
          : this.#setAside(candidate, settlement.code, settlement.why)
      default:
        return settlement satisfies never
    }
  }

  async #remove(candidate: Candidate, identity: FileIdentity): Promise<void> {
    const { path } = candidate
    const { stats, held, emptied, log } = this.#options
    const wasOwed = this.owes(candidate)
    const removal = await this.#tryToRemove(candidate, identity)
    this.#owed.forget(path)
    if (removal.result === 'removed') {
      stats.removed += 1
      emptied?.removedFrom(parentOf(path))
      return held.release(path)
    }
    if (!wasOwed) stats.keptAfterUpload += 1
    // Changed: the receiver has this version, the next scan finds the next.
    if (removal.result === 'kept' && removal.why !== 'being_written') return held.release(path)
    this.#owed.add(path, identity)
    const { attempts, isNew } = this.#hold(candidate)
    if (removal.result === 'kept') return
    stats.retried += 1
    if (attempts > 1 || !isNew) return
    log.error('not_removable', 'stored at the receiver, but could not be removed here', {
      path: showPath(path),
      code: removal.errno,
    })
  }

  async #tryToRemove(candidate: Candidate, identity: FileIdentity): Promise<Removal> {
    if (!needsWriterCheck(candidate)) return removeIfUnchanged(candidate.path, identity, false)
    const { device, inode } = identity
    try {
      const writers = await this.#writers()
      const isOpen = mayBeWritten({ ...candidate, device, inode }, writers)
      return removeIfUnchanged(candidate.path, identity, isOpen)
    } catch (error) {
      // Nobody could be asked who writes: then nothing is removed.
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      return { result: 'failed', errno }
    }
  }

  async #writers(): Promise<Writers> {
    const { clock, lookUpWriters, writersGoodForMs = secondMs } = this.#options
    const askedAtMs = clock.monotonicMs()
    if (this.#look !== undefined && askedAtMs <= this.#look.goodUntilMs) return this.#look.writers
    const writers = await lookUpWriters(askedAtMs - writersGoodForMs)
    const { takenAtMs } = writers.open
    const nowMs = clock.monotonicMs()
    const tookMs = nowMs - Math.max(askedAtMs, takenAtMs)
    const goodUntilMs = Math.max(
      takenAtMs + writersGoodForMs,
      nowMs + Math.min(tookMs, slowLookUsedForMs),
    )
    this.#look = { writers, goodUntilMs }
    return writers
  }

  #hold(candidate: Candidate): Hold {
    const { clock, held, random } = this.#options
    return held.hold(candidate, clock.monotonicMs(), random())
  }
}

/** The 1st, 2nd, 4th, 8th and so on: a file that fails for weeks must not fill the log. */
function isWorthALine(attempts: number): boolean {
  return Number.isInteger(Math.log2(attempts))
}
