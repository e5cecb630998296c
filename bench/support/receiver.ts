import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Background } from './background.ts'
import type { Round } from './compare.ts'
import { timedJob } from './job.ts'
import { timedRun } from './timed-run.ts'

/** A file as `receiver ls` tells of it. */
export interface ListedFile {
  readonly path: string
  readonly size: number
  readonly blake3: string
}

export interface ReceiverOptions {
  /** The command. */
  readonly longshore: string
  readonly dataFolder: string
  readonly store: 'folder' | 'null'
  /** Profiles of the receiver are left there. */
  readonly profileDir?: string | undefined
}

/** A receiver in a process of its own, as its users start it. */
export class Receiver implements AsyncDisposable {
  readonly dataFolder: string
  readonly port: number
  readonly longshore: string
  readonly #server: Background
  readonly #keepsFiles: boolean

  private constructor(options: ReceiverOptions, port: number, server: Background) {
    this.longshore = options.longshore
    this.dataFolder = options.dataFolder
    this.port = port
    this.#server = server
    this.#keepsFiles = options.store === 'folder'
  }

  static async start(options: ReceiverOptions): Promise<Receiver> {
    const { longshore, dataFolder, store, profileDir } = options
    const args = ['receiver', 'start', '--listen', '127.0.0.1:0', '--data', dataFolder]
    if (store === 'null') args.push('--store', 'null')
    const { server, ready } = await Background.start(
      longshore,
      args,
      /listening on https:\/\/.*:(\d+)/,
      profiled(profileDir),
    )
    return new Receiver(options, Number(ready[1]), server)
  }

  /** False for `--store null`. */
  get keepsFiles(): boolean {
    return this.#keepsFiles
  }

  get pid(): number {
    return this.#server.pid
  }

  /** The CA that its certificate hangs on, and the certificate with its key. */
  get tls(): { readonly caFile: string; readonly serverFile: string } {
    const folder = join(this.dataFolder, 'tls')
    return { caFile: join(folder, 'ca.pem'), serverFile: join(folder, 'server.pem') }
  }

  /** Admits a machine and writes its config file, as one would on a device. */
  async addMachine(machine: Machine): Promise<void> {
    const address = `https://127.0.0.1:${machine.port ?? this.port}`
    const args = ['receiver', 'machine', 'add', machine.id, '--data', this.dataFolder]
    const { stdout } = await timedRun(this.longshore, [...args, '--address', address])
    const config = JSON.parse(stdout) as {
      services: { attributes: Record<string, unknown> }[]
    }
    const { captureDir, additionalSyncPaths } = machine
    Object.assign(config.services[0]!.attributes, {
      capture_dir: captureDir,
      additional_sync_paths: additionalSyncPaths,
    })
    writeFileSync(machine.configFile, JSON.stringify(config), { mode: 0o600 })
  }

  /** Everything that it says it has of a machine. */
  async files(machineId: string): Promise<ListedFile[]> {
    const args = ['receiver', 'ls', '--data', this.dataFolder, '--machine', machineId, '--json']
    const { stdout } = await timedRun(this.longshore, args)
    return stdout.split('\n').flatMap((line) => (line === '' ? [] : JSON.parse(line)))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]()
  }
}

export interface Machine {
  readonly id: string
  readonly configFile: string
  readonly captureDir: string
  readonly additionalSyncPaths: readonly string[]
  /** Of a proxy on the way, instead of the receiver's. */
  readonly port?: number | undefined
}

export interface TimedSyncOptions {
  readonly configFile: string
  /** How many must be stored. */
  readonly files: number
  readonly profileDir?: string | undefined
}

/**
 * One `longshore sync --json`, from the start of its process to its exit.
 *
 * @throws Error unless it stored exactly `files` files, and nothing else happened.
 */
export async function timedSync(
  receiver: Receiver,
  { configFile, files, profileDir }: TimedSyncOptions,
): Promise<Round> {
  const { run, round } = await timedJob({
    command: receiver.longshore,
    args: ['sync', '--json', '--config', configFile],
    env: profiled(profileDir) ?? process.env,
    role: 'daemon',
    servers: { receiver: [receiver.pid] },
  })
  const result = JSON.parse(run.stdout) as Record<string, number>
  const others = ['already_stored', 'rejected', 'quarantined', 'retry', 'skipped']
  if (result.stored !== files || others.some((name) => result[name] !== 0)) {
    throw new Error(`not all ${files} files were stored: ${run.stdout}`)
  }
  return round
}

function profiled(profileDir: string | undefined): NodeJS.ProcessEnv | undefined {
  if (profileDir === undefined) return undefined
  return { ...process.env, NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDir}` }
}
