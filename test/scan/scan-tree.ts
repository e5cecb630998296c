import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type BytePath, bytePath } from '../../src/base/byte-path.ts'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { readLink } from '../../src/base/real-path.ts'
import type { Candidate, NotReadyReason, Root } from '../../src/scan/candidate.ts'
import { defaultExclude, excludeMatcher } from '../../src/scan/exclude.ts'
import type { ScannerOptions, ScanScope } from '../../src/scan/scan-options.ts'
import { Scanner } from '../../src/scan/scanner.ts'
import type { Writers } from '../../src/scan/writers-rule.ts'

/** In memory where that can be had: some of these trees have thousands of files. */
const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A temporary folder with no symbolic link in its path. Its user removes it. */
export class ScanTree {
  readonly path: string

  constructor(folder = parent) {
    this.path = realpathSync(mkdtempSync(join(folder, 'longshore-scan-')))
    // For tests whose scan runs as another user.
    chmodSync(this.path, 0o755)
  }

  get root(): Root {
    return this.rootAt('')
  }

  rootAt(name: string): Root {
    const path = bytePath(join(this.path, name).replace(/\/$/, ''))
    return { path, configured: path }
  }

  at(name: string): BytePath {
    return bytePath(join(this.path, name))
  }

  folder(name: string): string {
    const path = join(this.path, name)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** A file that has been quiet for `ageS`. Its folder is made if need be. */
  file(name: string | Buffer, content: string | Buffer = 'x', ageS = 3600): string | Buffer {
    const path = typeof name === 'string' ? join(this.path, name) : this.#bytes(name)
    if (typeof path === 'string') mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    this.age(path, ageS)
    return path
  }

  /** Sets the mtime of a path to `ageS` ago; negative is in the future. */
  age(path: string | Buffer, ageS: number): void {
    const atS = Date.now() / 1000 - ageS
    utimesSync(path, atS, atS)
  }

  /** How many descriptors of this process lead below here. */
  openDescriptors(): number {
    const targets = readdirSync('/proc/self/fd').map((fd) =>
      readLink(bytePath(`/proc/self/fd/${fd}`)),
    )
    return targets.filter((target) => target?.startsWith(this.path)).length
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }

  #bytes(name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`${this.path}/`), name])
  }
}

export const nobodyWrites: Writers = {
  open: { has: () => false, blindTo: 0, takenAtMs: 0 },
  captureRuns: false,
}

export interface Looked {
  readonly path: BytePath
  readonly reason: NotReadyReason
}

/** A scanner and what it was told. */
export class TestScanner {
  readonly scanner: Scanner
  readonly notReady: Looked[] = []
  readonly taken = new Set<BytePath>()
  writers: Writers = nobodyWrites
  /** How often somebody looked who writes. */
  looks = 0
  stopped = false

  constructor(options: Partial<ScannerOptions> = {}) {
    const clock: Clock = options.clock ?? systemClock
    this.scanner = new Scanner({
      clock,
      quietMs: 10_000,
      isExcluded: excludeMatcher(defaultExclude),
      isTaken: (path) => this.taken.has(path),
      lookUpWriters: async () => {
        this.looks += 1
        return this.writers
      },
      onNotReady: (path, reason) => this.notReady.push({ path, reason }),
      restWhenIdle: false,
      isStopped: () => this.stopped,
      ...options,
    })
  }

  /** All candidates of one pass. */
  async candidates(scope: ScanScope): Promise<Candidate[]> {
    this.notReady.length = 0
    const found: Candidate[] = []
    for await (const batch of this.scanner.scan(scope)) found.push(...batch)
    return found
  }

  /** The paths of one pass below the first root, sorted. */
  async scan(tree: ScanTree, scope: Partial<ScanScope> = {}): Promise<string[]> {
    const roots = scope.roots ?? [tree.root]
    const captureDir = scope.captureDir ?? roots[0]!.path
    const found = await this.candidates({ ...scope, roots, captureDir })
    return found.map(({ path }) => path.slice(tree.path.length + 1)).sort()
  }

  /** Why this path is not a candidate, by the last pass; undefined when it was not told of. */
  reasonFor(path: BytePath): NotReadyReason | undefined {
    return this.notReady.find((looked) => looked.path === path)?.reason
  }
}
