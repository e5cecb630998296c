import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { giveTo } from '../support/give-to.ts'
import {
  longshoreStart,
  type RunningProcess,
  type StartOptions,
} from '../support/longshore-process.ts'
import { type CloudBlock, capture } from './machine-device.ts'

/** The daemon as people run it, on a capture folder of its own. Its user closes it. */
export class MachineDaemon {
  /** With the capture folder and the config file in it. */
  readonly top: string
  readonly captureDir: string
  readonly #configFile: string
  #process: RunningProcess | undefined

  constructor(cloud: CloudBlock, attributes: Readonly<Record<string, unknown>> = {}) {
    this.top = realpathSync(mkdtempSync(join(tmpdir(), 'longshore-machine-')))
    chmodSync(this.top, 0o755)
    this.captureDir = join(this.top, 'capture')
    mkdirSync(this.captureDir)
    this.#configFile = join(this.top, 'longshore.json')
    const service = {
      name: 'data_manager',
      type: 'data_manager',
      attributes: {
        capture_dir: this.captureDir,
        sync_interval_mins: 0.002,
        file_last_modified_millis: 50,
        ...attributes,
      },
    }
    writeFileSync(this.#configFile, JSON.stringify({ cloud, services: [service] }), { mode: 0o600 })
  }

  /** Makes a capture file with so much payload, whole at once. */
  put(name: string, sizeBytes = 1000): string {
    const path = join(this.captureDir, name)
    mkdirSync(dirname(path), { recursive: true })
    // No scan sees it before it is whole.
    writeFileSync(`${path}.tmp`, capture(sizeBytes))
    renameSync(`${path}.tmp`, path)
    return path
  }

  /** Starts it as the owner of everything here. Resolves when it works. */
  async start(options: StartOptions = {}): Promise<void> {
    if (options.uid !== undefined) giveTo(options.uid, this.top)
    this.#process = longshoreStart(['run', '--config', this.#configFile], options)
    await this.#process.printed(/"event":"started"/)
  }

  get pid(): number {
    return this.#running.pid
  }

  /** Lines of its log with this event. */
  logged(event: string): readonly string[] {
    const lines = this.#running.stdout().split('\n')
    return lines.filter((line) => line.includes(`"event":"${event}"`))
  }

  /** Resolves when this is so, while the daemon runs. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    const lateAtMs = performance.now() + 30_000
    while (!isSo()) {
      const log = () => this.#running.stdout().slice(-4000)
      assert.ok(isAlive(this.pid), `it has ended, before: ${what}\n${log()}`)
      assert.ok(performance.now() < lateAtMs, `never: ${what}\n${log()}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Lets it go on for a moment in which something wrong might happen. */
  async aWhile(rounds = 20): Promise<void> {
    for (let n = 0; n < rounds; n += 1) {
      assert.ok(isAlive(this.pid), `it has ended\n${this.#running.stdout().slice(-4000)}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** Ends it, and checks that it ends well. */
  async end(): Promise<void> {
    assert.equal(await this.#running.end(), 0, this.#running.stdout().slice(-4000))
    assert.equal(this.#running.stderr(), '')
  }

  async close(): Promise<void> {
    await this.#process?.end('SIGKILL')
    rmSync(this.top, { recursive: true, force: true })
  }

  get #running(): RunningProcess {
    assert.ok(this.#process !== undefined, 'it was started')
    return this.#process
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
