import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BytePath, bytePath } from '../../src/base/byte-path.ts'
import type { Clock } from '../../src/base/clock.ts'
import { blake3 } from '../../src/base/hash.ts'
import type { Config } from '../../src/config/config.ts'
import type { StoredFile } from '../../src/receiver/store/catalog.ts'
import { SqliteCatalog } from '../../src/receiver/store/sqlite-catalog.ts'
import { SyncSession, type SyncSessionOptions } from '../../src/sync/sync-session.ts'
import { workerEntryUrl } from '../../workers/entry-url.ts'
import { ScanTree } from '../scan/scan-tree.ts'
import { captureFile } from '../support/capture-file.ts'
import { TestLog } from '../sync/test-log.ts'
import { SkippingClock } from './skipping-clock.ts'

const header = {
  componentType: 'rdk:component:camera',
  componentName: 'c',
  methodName: 'M',
  type: 1,
}

/** The bytes of a capture file with so much payload, always different ones. */
export function capture(sizeBytes: number): Buffer {
  fills += 1
  const binary = Buffer.alloc(sizeBytes, `${fills} `)
  return captureFile(header, [{ binary }])
}
let fills = 0

/** As the config file of a machine says it. */
export interface CloudBlock {
  readonly app_address: string
  readonly id: string
  readonly secret: string
  readonly ca_pem: string
}

export interface MachineDeviceOptions extends Partial<Omit<SyncSessionOptions, 'clock'>> {
  readonly clock?: Clock & { skip(ms: number): void }
  readonly dataManager?: Partial<Config['dataManager']>
}

/**
 * A device with real files, real threads and a real connection to a real receiver, whose waits can be
 * skipped. It scans when it is told to. Its user closes it.
 */
export class MachineDevice {
  readonly tree: ScanTree
  readonly clock: Clock & { skip(ms: number): void }
  readonly log = new TestLog()
  readonly session: SyncSession
  /** What a file held when it was made. */
  readonly #made = new Map<string, string>()

  constructor(cloud: CloudBlock, options: MachineDeviceOptions = {}) {
    const { dataManager, clock = new SkippingClock(), ...others } = options
    this.clock = clock
    this.tree = new ScanTree()
    const config: Config = {
      cloud: {
        address: new URL(cloud.app_address),
        id: cloud.id,
        secret: cloud.secret,
        caPem: cloud.ca_pem,
        allowCleartext: false,
      },
      dataManager: {
        captureDir: bytePath(this.tree.folder('capture')),
        additionalSyncPaths: [],
        syncIntervalMs: 6000,
        syncDisabled: false,
        maximumNumSyncThreads: 2,
        quietMs: 1000,
        selectiveSyncerName: undefined,
        tags: [],
        uploadsInFlight: 'auto',
        allowUnsafeRoots: [],
        removeEmptyFolders: false,
        diskFull: undefined,
        ...dataManager,
      },
    }
    this.session = new SyncSession({
      config,
      workerEntryUrl,
      unsafeReason: () => undefined,
      clock,
      log: this.log,
      mode: 'daemon',
      ...others,
    })
  }

  /** Makes capture files with so much payload: they are ready at once. Returns their paths. */
  files(folder: string, sizesBytes: readonly number[]): string[] {
    return sizesBytes.map((sizeBytes) => {
      const name = join(folder, `f${this.#made.size}.capture`)
      const bytes = capture(sizeBytes)
      this.tree.file(name, bytes)
      const path = join(this.tree.path, name)
      this.#made.set(path, blake3(bytes))
      return path
    })
  }

  /** Scans over and over, skipping time, until this is so. */
  async until(what: string, isSo: () => boolean, skipMs = 1000): Promise<void> {
    const lateAtMs = performance.now() + 20_000
    while (!isSo()) {
      assert.ok(performance.now() < lateAtMs, `never: ${what}\n${this.story()}`)
      await this.session.scan()
      await new Promise((resolve) => setTimeout(resolve, 10))
      if (!isSo()) this.clock.skip(skipMs)
    }
  }

  /** All of these have left the device, and the receiver's catalog has each exactly once, as it was. */
  async untilArrived(paths: readonly string[], catalogFile: string): Promise<void> {
    await this.until('all files arrive', () => paths.every((path) => !existsSync(path)))
    await this.session.uploader.whenIdle()
    this.assertStored(paths, catalogFile)
  }

  assertStored(paths: readonly string[], catalogFile: string): void {
    const stored = storedFiles(catalogFile)
    for (const path of paths) {
      const versions = stored.filter((each) => each.path === (path as BytePath))
      const digests = versions.map(({ digest }) => digest)
      assert.deepEqual(digests, [this.#made.get(path)], path)
    }
  }

  /** They are there, as they were made. */
  assertUntouched(paths: readonly string[]): void {
    for (const path of paths) assert.equal(blake3(readFileSync(path)), this.#made.get(path), path)
  }

  /** Log lines of this event. */
  logged(event: string): readonly string[] {
    const lines = this.log.lines.filter((line) => line.event === event)
    return lines.map(({ message, fields }) => `${message} ${JSON.stringify(fields)}`)
  }

  async close(): Promise<void> {
    await this.session.close(0)
    this.tree.remove()
  }

  story(): string {
    const lines = this.log.lines.map((line) => JSON.stringify(line))
    return [...lines.slice(-15), JSON.stringify(this.session.uploader.linkFailure)].join('\n')
  }
}

/** What a receiver has, whether it runs or not. */
export function storedFiles(catalogFile: string): readonly StoredFile[] {
  const catalog = SqliteCatalog.open(catalogFile, { readOnly: true })
  try {
    return [...catalog.files()]
  } finally {
    void catalog.close()
  }
}
