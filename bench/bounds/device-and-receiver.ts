import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FaultyLink } from '../../test/support/faulty-link.ts'
import { editConfig, longshoreRun } from '../../test/support/longshore-process.ts'
import { End } from '../../test/torture/end.ts'

export interface PairOptions {
  /** Begins what is said about its processes. */
  readonly name: string
  /** The command. */
  readonly longshore: string
  /** Everything but the device's files: config, logs, and what the receiver stores. */
  readonly folder: string
  readonly captureDir: string
  readonly additionalSyncPaths: readonly string[]
  readonly store: 'folder' | 'null'
  /** Further attributes of the data manager. */
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** A daemon, a receiver, and a link between them that can be spoilt. Real processes, over TLS. */
export class DeviceAndReceiver implements AsyncDisposable {
  readonly daemon: End
  readonly receiver: End
  readonly link: FaultyLink
  readonly dataDir: string
  readonly #options: PairOptions
  readonly #configFile: string
  readonly #kill: () => void

  private constructor(options: PairOptions, link: FaultyLink) {
    const { name, longshore, folder, store } = options
    this.#options = options
    this.link = link
    this.dataDir = join(folder, 'receiver')
    this.#configFile = join(folder, 'machine.json')
    const stores = store === 'null' ? ['--store', 'null'] : []
    const listen = ['--data', this.dataDir, '--listen', '127.0.0.1:0', ...stores]
    const up = /listening on \S+:(\d+)\n/
    const takes = ['receiver', 'start', ...listen]
    const sends = ['run', '--config', this.#configFile]
    this.receiver = new End(`${name}-receiver`, takes, folder, up, longshore)
    this.daemon = new End(`${name}-daemon`, sends, folder, /"event":"started"/, longshore)
    this.#kill = () => {
      for (const { pid } of [this.daemon, this.receiver]) {
        if (pid !== undefined) process.kill(pid, 'SIGKILL')
      }
    }
    process.once('exit', this.#kill)
  }

  /** Starts the receiver and admits the machine. The daemon is the caller's to start. */
  static async open(options: PairOptions): Promise<DeviceAndReceiver> {
    mkdirSync(options.folder, { recursive: true })
    const pair = new DeviceAndReceiver(options, await FaultyLink.open(0))
    try {
      await pair.startReceiver()
      await pair.#writeConfig()
      return pair
    } catch (error) {
      await pair[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Starts the receiver, also again, and has the link lead to it. */
  async startReceiver(): Promise<void> {
    const port = await this.receiver.start()
    if (port === undefined) throw new Error(`${this.receiver.name} ended at once`)
    this.link.set({ toPort: Number(port) })
  }

  /** @throws Error with everything that went against expectation */
  async terminate(): Promise<void> {
    await this.daemon.terminate()
    await this.receiver.terminate()
    const problems = [...this.daemon.problems, ...this.receiver.problems]
    if (problems.length > 0) throw new Error(problems.join('\n'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#kill)
    await this.daemon.kill()
    await this.receiver.kill()
    await this.link.close()
    // The rest of the folder goes with the caller's; this may be large.
    rmSync(this.dataDir, { recursive: true, force: true })
  }

  async #writeConfig(): Promise<void> {
    const { longshore, captureDir, additionalSyncPaths, attributes } = this.#options
    const address = `https://localhost:${this.link.port}`
    const args = ['receiver', 'machine', 'add', 'robot', '--data', this.dataDir]
    const { status, stdout, stderr } = await longshoreRun([...args, '--address', address], {
      program: longshore,
    })
    if (status !== 0) throw new Error(`machine add ended with ${status}: ${stderr}`)
    writeFileSync(this.#configFile, stdout, { mode: 0o600 })
    await editConfig(this.#configFile, (config) => {
      Object.assign(config.services[0].attributes, {
        capture_dir: captureDir,
        additional_sync_paths: additionalSyncPaths,
        ...attributes,
      })
    })
  }
}
