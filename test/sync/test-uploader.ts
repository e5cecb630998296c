import type { BytePath } from '../../src/base/byte-path.ts'
import type { NetworkState } from '../../src/probe/network-state.ts'
import type { Candidate } from '../../src/scan/candidate.ts'
import type { Concurrency } from '../../src/sync/concurrency.ts'
import { HeldFiles } from '../../src/sync/held-files.ts'
import { Uploader, type UploaderOptions } from '../../src/sync/uploader.ts'
import type { ShardResult } from '../../src/wire/thread-messages.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type Answer, FakeTransport } from '../support/fake-transport.ts'
import { TestLog } from './test-log.ts'

/** Settles files that exist in the test only: remembers what it was told. */
export class FakeSettler {
  readonly settled: BytePath[] = []
  readonly retried: BytePath[] = []
  readonly setAsideFiles: BytePath[] = []
  readonly owed = new Set<BytePath>()
  readonly removedOwed: BytePath[] = []
  /** Runs before files are settled. */
  before: () => Promise<void> = async () => {}
  readonly #held: HeldFiles
  readonly #clock: FakeClock

  constructor(held: HeldFiles, clock: FakeClock) {
    this.#held = held
    this.#clock = clock
  }

  async settle(
    candidates: readonly Candidate[],
    { files }: ShardResult,
  ): Promise<readonly Candidate[]> {
    await this.before()
    return candidates.filter((candidate, index) => {
      if (files[index]?.status === 'not_sent') return true
      this.settled.push(candidate.path)
      this.#held.release(candidate.path)
      return false
    })
  }

  owes({ path }: Candidate): boolean {
    return this.owed.has(path)
  }

  async removeOwed(candidates: readonly Candidate[]): Promise<void> {
    await this.before()
    for (const { path } of candidates) {
      this.owed.delete(path)
      this.removedOwed.push(path)
    }
  }

  retryLater(candidate: Candidate): void {
    this.retried.push(candidate.path)
    this.#held.hold(candidate, this.#clock.monotonicMs(), 1)
  }

  setAside({ path }: Candidate): void {
    this.setAsideFiles.push(path)
    this.#held.release(path)
  }
}

const concurrency: Concurrency = { threads: 2, uploadsPerThread: 4, uploads: 8, singleUploads: 2 }

/** An uploader with everything around it made for the test. */
export class TestUploader {
  readonly clock = new FakeClock()
  readonly log = new TestLog()
  readonly held = new HeldFiles()
  readonly transport: FakeTransport
  readonly settler = new FakeSettler(this.held, this.clock)
  /** What the kernel says of the network. */
  network: NetworkState = { fingerprint: 'eth0 10.0.0.2/24', hasAddress: true }
  readonly givenUp: BytePath[] = []
  readonly uploader: Uploader

  constructor(answer?: Answer, options: Partial<UploaderOptions> = {}) {
    this.transport = new FakeTransport(answer)
    this.uploader = new Uploader({
      transport: this.transport,
      concurrency,
      settler: this.settler,
      held: this.held,
      networkState: () => this.network,
      clock: this.clock,
      log: this.log,
      random: () => 1,
      giveUpAfterFailures: undefined,
      onGivenUp: (path) => this.givenUp.push(path),
      ...options,
    })
  }
}
