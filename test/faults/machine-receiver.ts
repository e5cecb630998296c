import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ReceiverProcess,
  type StartOptions,
  startReceiverProcess,
  writeMachineConfig,
} from '../support/longshore-process.ts'
import type { CloudBlock } from './machine-device.ts'

/** A receiver in a process of its own that is ended and started again on the same port and data. */
export class MachineReceiver {
  readonly top: string
  readonly dataDir: string
  readonly catalogFile: string
  readonly segmentsFolder: string
  readonly #args: readonly string[]
  #process: ReceiverProcess
  #cloud: CloudBlock | undefined

  private constructor(top: string, process: ReceiverProcess, args: readonly string[]) {
    this.top = top
    this.dataDir = process.dataDir
    this.catalogFile = join(this.dataDir, 'catalog.sqlite')
    this.segmentsFolder = join(this.dataDir, 'segments')
    this.#process = process
    this.#args = args
  }

  static async start(args: readonly string[] = ['--min-free', '0']): Promise<MachineReceiver> {
    const top = mkdtempSync(join(tmpdir(), 'longshore-machine-'))
    const running = await startReceiverProcess(join(top, 'receiver'), args)
    return new MachineReceiver(top, running, args)
  }

  get pid(): number {
    return this.#process.pid
  }

  get address(): string {
    return this.#process.address
  }

  /** What a machine is told of it. */
  async cloud(): Promise<CloudBlock> {
    if (this.#cloud === undefined) {
      const file = join(this.top, 'robot.json')
      await writeMachineConfig(file, this.#process, 'robot', {})
      this.#cloud = JSON.parse(readFileSync(file, 'utf8')).cloud as CloudBlock
    }
    return this.#cloud
  }

  async restart(options: StartOptions = {}): Promise<void> {
    await this.#process.end()
    const listen = ['--listen', `127.0.0.1:${new URL(this.address).port}`]
    this.#process = await startReceiverProcess(this.dataDir, [...listen, ...this.#args], options)
  }

  /** Lines of its log with this event, since it was started last. */
  logged(event: string): readonly string[] {
    return this.#process
      .stderr()
      .split('\n')
      .filter((line) => line.includes(`"event":"${event}"`))
  }

  end(signal?: NodeJS.Signals): Promise<number | null> {
    return this.#process.end(signal)
  }

  async close(): Promise<void> {
    await this.end()
    rmSync(this.top, { recursive: true, force: true })
  }
}
