import { randomUUID } from 'node:crypto'
import type { Round } from './compare.ts'
import {
  bytesPerFile,
  checkArrived,
  filesLeft,
  makeDeviceTree,
  removeDeviceTree,
} from './device-tree.ts'
import { type Receiver, timedSync } from './receiver.ts'
import { warmPages, writeOut } from './settle-disk.ts'
import type { TempFolder } from './temp-folder.ts'

export interface LongshoreRoundOptions {
  /** Of a proxy before the receiver. */
  readonly port?: number
  readonly profileDir?: string
  /** The files have been written out to their disk before, as those of a backlog have been. */
  readonly writtenOut?: boolean
}

/** Rounds of `longshore sync` over small files: each with new files, and a machine of its own. */
export class LongshoreRounds {
  readonly #temp: TempFolder
  readonly #device: TempFolder
  readonly #receiver: Receiver
  readonly #count: number

  /**
   * @param temp - On the receiver's disk.
   * @param device - Where the device's files are made.
   */
  constructor(temp: TempFolder, device: TempFolder, receiver: Receiver, count: number) {
    this.#temp = temp
    this.#device = device
    this.#receiver = receiver
    this.#count = count
  }

  /** @throws Error unless every file is at the receiver, as it was made, and gone from the device. */
  async run({ port, profileDir, writtenOut }: LongshoreRoundOptions = {}): Promise<Round> {
    const id = `machine-${randomUUID()}`
    writeOut(this.#temp)
    const tree = makeDeviceTree(this.#device.folder('device'), this.#count)
    const configFile = this.#temp.file(`${id}.json`)
    await this.#receiver.addMachine({
      id,
      configFile,
      captureDir: tree.captureDir,
      additionalSyncPaths: [tree.logDir],
      port,
    })
    if (writtenOut === true) writeOut(this.#device)
    warmPages(this.#temp, 2 * this.#count * bytesPerFile)
    const round = await timedSync(this.#receiver, { configFile, files: this.#count, profileDir })
    const left = filesLeft(tree)
    if (left.length > 0) throw new Error(`${left.length} files are still there: ${left[0]}`)
    const listed = await this.#receiver.files(id)
    if (listed.length !== this.#count) throw new Error(`the receiver lists ${listed.length} files`)
    checkArrived(tree, new Map(listed.map(({ path, blake3 }) => [path, blake3])))
    removeDeviceTree(tree)
    return round
  }
}
