import type { Candidate } from '../scan/candidate.ts'
import type { TransferFailure, TransferFailureKind } from '../wire/transfer-failure.ts'
import { BrokenUploads } from './broken-uploads.ts'
import type { FailureDecision } from './failure-decision.ts'
import { Refusals } from './refusals.ts'
import type { UploadUnderWay } from './uploads-under-way.ts'

/** Tries of a file alone, before it is set aside for what the receiver thinks of it. */
const triesBeforeSetAside = 3

/** What a file can do to the connection, or to the thread, that it is sent by. */
const breakingKinds: ReadonlySet<TransferFailureKind> = new Set([
  'connection_lost',
  'stalled',
  'fault_here',
])

/** Which files may be to blame for what uploads come to. */
export class Suspects {
  readonly #refusals = new Refusals()
  readonly #broken = new BrokenUploads()

  /** True when so many have been turned down that it is for none of them. */
  get isForAll(): boolean {
    return this.#refusals.concernEverything
  }

  /** The receiver has answered something. */
  answered(): void {
    this.#broken.answered()
  }

  /** The receiver has taken files. */
  filesTaken(): void {
    this.#refusals.clear()
  }

  /** True when everything waits, and it may yet be for this file. Asked once for each try. */
  mayBreakIt(
    candidate: Candidate,
    upload: UploadUnderWay,
    { kind }: TransferFailure,
    { action }: FailureDecision,
    wasHeld: boolean,
  ): boolean {
    // A refusal of everything may be one of this file, too.
    const isRefused = kind === 'refused' && action === 'hold all, report'
    if (!isRefused && !breakingKinds.has(kind)) return false
    return this.#broken.brokeOff(candidate, upload, wasHeld)
  }

  /** This file was tried alone, and is to blame. True when it is time to set it aside. */
  blame(culprit: Candidate, failure: TransferFailure, { action }: FailureDecision): boolean {
    // However many: what is too large for the receiver, or breaks a connection, says nothing of the rest.
    if (failure.kind !== 'refused' || failure.status === 413) return false
    if (action === 'hold all, apart') return false
    this.#refusals.blame(culprit)
    if (action !== 'quarantine') return false
    const isOver = this.#refusals.count(culprit) >= triesBeforeSetAside
    if (isOver) this.#refusals.forget(culprit.path)
    return isOver
  }
}
