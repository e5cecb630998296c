import type { Candidate } from './candidate.ts'
import { FileJudge } from './file-judge.ts'
import { FolderMemory } from './folder-memory.ts'
import type { ScannerOptions, ScanScope } from './scan-options.ts'
import { ScanPass } from './scan-pass.ts'
import { WallClockWatch } from './wall-clock-watch.ts'

/**
 * Finds the files that are ready, folder by folder, with an event loop turn after every 10 ms. Never
 * holds more of the tree than the folders it is in. One scanner serves all scans of a daemon: it
 * remembers which folders need not be looked into again yet.
 */
export class Scanner {
  readonly #options: ScannerOptions
  readonly #memory = new FolderMemory()
  readonly #judge: FileJudge
  readonly #clockWatch: WallClockWatch

  constructor(options: ScannerOptions) {
    this.#options = options
    this.#judge = new FileJudge(options)
    this.#clockWatch = new WallClockWatch(options.quietMs)
  }

  /**
   * One pass over the roots. Gives candidates in batches and goes on only when asked for the next, so
   * whoever has enough of them waiting simply does not ask. A root that cannot be read is told to
   * `onNotReady` and the rest goes on. Throws what is no fault of a single path, such as `EMFILE`.
   */
  async *scan(scope: ScanScope): AsyncGenerator<readonly Candidate[]> {
    const pass = new ScanPass(this.#options, scope, this.#memory, this.#judge, this.#clockWatch)
    try {
      yield* pass.run()
    } finally {
      pass.close()
    }
  }
}
