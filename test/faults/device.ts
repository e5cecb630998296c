import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { bytePath } from '../../src/base/byte-path.ts'
import type { Config } from '../../src/config/config.ts'
import { SyncSession, type SyncSessionOptions } from '../../src/sync/sync-session.ts'
import { workerEntryUrl } from '../../workers/entry-url.ts'
import { ScanTree } from '../scan/scan-tree.ts'
import { captureFile } from '../support/capture-file.ts'
import type { MisbehavingReceiver } from '../support/misbehaving-receiver.ts'
import { TestLog } from '../sync/test-log.ts'
import { SkippingClock } from './skipping-clock.ts'

const MiB = 1024 * 1024
const header = {
  componentType: 'rdk:component:camera',
  componentName: 'c',
  methodName: 'M',
  type: 1,
}

/**
 * A device as it is, with real files, real threads and a real connection, whose waits can be skipped.
 * It scans when it is told to. Its user closes it.
 */
export class Device {
  readonly tree = new ScanTree()
  readonly clock = new SkippingClock()
  readonly log = new TestLog()
  readonly session: SyncSession
  readonly #receiver: MisbehavingReceiver
  #names = 0

  constructor(
    receiver: MisbehavingReceiver,
    {
      address = receiver.address,
      caPem = receiver.caPem,
    }: { address?: string; caPem?: string } = {},
    options: Partial<SyncSessionOptions> = {},
  ) {
    this.#receiver = receiver
    const config: Config = {
      cloud: {
        address: new URL(address),
        id: 'robot',
        secret: 'secret',
        caPem,
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
      },
    }
    this.session = new SyncSession({
      config,
      workerEntryUrl,
      unsafeReason: () => undefined,
      clock: this.clock,
      log: this.log,
      mode: 'daemon',
      ...options,
    })
  }

  /** Makes capture files with so much payload: they are ready at once, and nobody is looked for who writes them. Returns their paths. */
  files(sizesBytes: readonly number[]): string[] {
    return sizesBytes.map((sizeBytes) => {
      this.#names += 1
      const name = `capture/f${this.#names}.capture`
      this.tree.file(name, captureFile(header, [{ binary: Buffer.alloc(sizeBytes, this.#names) }]))
      return join(this.tree.path, name)
    })
  }

  /** Two small ones and a large one. */
  someFiles(): string[] {
    return this.files([10, 2000, 2 * MiB])
  }

  /** Scans over and over, skipping time, until this is so. */
  async until(what: string, isSo: () => boolean, skipMs = 1000): Promise<void> {
    const lateAtMs = performance.now() + 6_000
    while (!isSo()) {
      assert.ok(performance.now() < lateAtMs, `never: ${what}\n${this.#story()}`)
      await this.session.scan()
      await new Promise((resolve) => setTimeout(resolve, 10))
      if (!isSo()) this.clock.skip(skipMs)
    }
  }

  /** All of these have left the device, and have arrived exactly once. */
  async untilArrived(paths: readonly string[]): Promise<void> {
    await this.until('all files arrive', () => paths.every((path) => !existsSync(path)))
    await this.session.uploader.whenIdle()
    const arrived = this.#receiver.files.map(({ file }) => file.path as string)
    for (const path of paths) {
      assert.equal(arrived.filter((each) => each === path).length, 1, path)
    }
  }

  /** Log lines of this event since the last call for it was made. */
  logged(event: string): readonly string[] {
    const lines = this.log.lines.filter((line) => line.event === event)
    return lines.map(({ message, fields }) => `${message} ${JSON.stringify(fields)}`)
  }

  async close(): Promise<void> {
    await this.session.close(0)
    this.tree.remove()
  }

  #story(): string {
    const lines = this.log.lines.map((line) => JSON.stringify(line))
    const seen = this.#receiver.seen.slice(-10).map(({ method, path }) => `${method} ${path}`)
    const { uploader } = this.session
    const state = `taken ${uploader.taken}, waiting ${uploader.waitingFiles}, under way ${uploader.uploads().length}, ${this.#receiver.uploads.length} uploads`
    return [
      state,
      ...lines.slice(-10),
      ...seen,
      JSON.stringify(this.session.uploader.linkFailure),
    ].join('\n')
  }
}
