import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BytePath } from '../../src/base/byte-path.ts'
import { Evictor, type EvictorOptions } from '../../src/sync/evictor.ts'
import type { RootState } from '../../src/sync/root-guard.ts'
import { SyncStats } from '../../src/sync/sync-stats.ts'
import { nobodyWrites, ScanTree } from '../scan/scan-tree.ts'
import { captureFile } from '../support/capture-file.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { TestLog } from './test-log.ts'

const header = {
  componentType: 'rdk:component:camera',
  componentName: 'c',
  methodName: 'GetImages',
  type: 1,
}
const content = captureFile(header, [{ binary: Buffer.alloc(1000, 7) }])

/** What such a file takes up in memory. */
export const fileBytes = 4096
const minuteMs = 60_000

/** An evictor on real files and an imagined disk, which is full of them. */
export class TestEvictor {
  readonly tree = new ScanTree()
  readonly clock = new FakeClock()
  readonly log = new TestLog()
  readonly stats = new SyncStats()
  readonly underWay = new Set<BytePath>()
  writers = nobodyWrites
  viamServerRuns = false
  isReachable = true
  isStopped = false
  rootState: RootState['state'] = 'ready'
  /** How much must go; 0 while there is room. */
  neededBytes = 0
  /** What the disk is larger than all that is needed and used. */
  diskBytes = 100 * fileBytes
  /** Whether what is removed shows as free at once. */
  freesAtOnce = true
  looksAtDisk = 0
  looksAtRoots = 0
  /** Runs whenever somebody looks who writes: directly before files are removed. */
  beforeRemoval: () => void = () => {}
  readonly evictor: Evictor

  constructor(options: Partial<EvictorOptions['rule']> & Partial<EvictorOptions> = {}) {
    const {
      deleteEveryNth = 1,
      diskUsageThreshold = 0.9,
      captureDirThreshold = 0,
      ...rest
    } = options
    this.tree.folder('capture')
    this.evictor = new Evictor({
      rule: { deleteEveryNth, diskUsageThreshold, captureDirThreshold },
      captureDir: this.tree.at('capture'),
      lookAtRoots: async () => {
        this.looksAtRoots += 1
        return this.#rootStates()
      },
      viamServerRuns: () => this.viamServerRuns,
      lookUpWriters: async () => {
        this.beforeRemoval()
        return this.writers
      },
      isUnderWay: (path) => this.underWay.has(path),
      isReachable: () => this.isReachable,
      isStopped: () => this.isStopped,
      stats: this.stats,
      clock: this.clock,
      log: this.log,
      diskUsageOf: () => this.#usage(diskUsageThreshold),
      ...rest,
    })
  }

  /** Capture files, each a minute younger than the one before. */
  captures(count: number): void {
    for (let n = 0; n < count; n += 1) this.capture(`f${n}`, 10_000 - n * 60)
  }

  /** Its mtime is `ageS` ago; it was put there now. */
  capture(name: string, ageS = 3600): BytePath {
    this.tree.file(`capture/${name}.capture`, content, ageS)
    return this.tree.at(`capture/${name}.capture`)
  }

  has(name: string): boolean {
    return existsSync(join(this.tree.path, 'capture', name))
  }

  /** What is left, by name. */
  left(): string[] {
    return readdirSync(join(this.tree.path, 'capture')).sort()
  }

  /** Looks at a disk with room, once a minute. */
  async pass(minutes: number, isGateOpen = true): Promise<void> {
    const { neededBytes } = this
    this.neededBytes = 0
    await this.#look(isGateOpen)
    for (let minute = 0; minute < minutes; minute += 1) {
      this.clock.pass(minuteMs)
      await this.#look(isGateOpen)
    }
    this.neededBytes = neededBytes
  }

  /** Fills the disk until `files` of the test's files have to go, and looks. */
  async fill(files: number, isGateOpen = true): Promise<void> {
    this.neededBytes = files * fileBytes
    await this.#look(isGateOpen)
  }

  remove(): void {
    this.tree.remove()
  }

  /**
   * Nobody can set the time at which a file was put somewhere, so the wall clock is the real one here;
   * minutes pass on the other one. Whatever comes later has a later time, as the file system counts.
   */
  async #look(isGateOpen: boolean): Promise<void> {
    const beganMs = Date.now()
    while (Date.now() === beganMs);
    const wallMs = Date.now()
    this.clock.setWall(wallMs)
    await this.evictor.look(isGateOpen)
    const probe = join(this.tree.path, 'probe')
    do writeFileSync(probe, `${performance.now()}`)
    while (statSync(probe).ctimeMs <= wallMs + 1)
  }

  #usage(threshold: number) {
    this.looksAtDisk += 1
    const freed = this.freesAtOnce ? this.stats.evicted * fileBytes : 0
    const neededBytes = Math.max(-fileBytes, this.neededBytes - freed)
    const full = this.diskBytes * threshold
    const usedBytes = neededBytes > 0 ? Math.min(full + neededBytes - 1, this.diskBytes) : full - 1
    return { sizeBytes: this.diskBytes, usedBytes, availableBytes: this.diskBytes - usedBytes }
  }

  #rootStates(): RootState[] {
    const path = this.tree.at('capture')
    const root = { path, configured: path }
    const state = this.rootState
    return [state === 'ready' ? { state, root } : { state, root, why: 'a test' }]
  }
}
