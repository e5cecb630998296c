import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { blake3 } from '@napi-rs/blake-hash'
import type { Round } from './compare.ts'
import {
  bytesPerFile,
  checkArrived,
  type DeviceTree,
  makeDeviceTree,
  removeDeviceTree,
} from './device-tree.ts'
import { timedJob } from './job.ts'
import type { Nginx } from './nginx.ts'
import { warmPages, writeOut } from './settle-disk.ts'
import type { TempFolder } from './temp-folder.ts'

/** Rounds of one curl process that PUTs the same files to nginx, and leaves them where they are. */
export class CurlRounds {
  readonly #temp: TempFolder
  readonly #device: TempFolder
  readonly #nginx: Nginx
  readonly #options: readonly string[]
  readonly #count: number
  #nextRound = 1

  constructor(
    temp: TempFolder,
    device: TempFolder,
    nginx: Nginx,
    options: readonly string[],
    count: number,
  ) {
    this.#temp = temp
    this.#device = device
    this.#nginx = nginx
    this.#options = options
    this.#count = count
  }

  /**
   * @param port - Of a proxy before nginx.
   * @throws Error unless every file is below nginx's root, as it was made.
   */
  async run(port: number = this.#nginx.places.port): Promise<Round> {
    writeOut(this.#temp)
    const tree = makeDeviceTree(this.#device.folder('device'), this.#count)
    const configFile = this.#temp.file('curl.config')
    // What was sent stays until all is over: ext4 without a journal does not like to reuse inodes that
    // were freed in the last minutes, and would look at each of them again for each new file.
    const below = `/round-${this.#nextRound++}`
    writeFileSync(configFile, curlConfig(tree, `https://127.0.0.1:${port}${below}`))
    warmPages(this.#temp, 2 * this.#count * bytesPerFile)
    const { round } = await timedJob({
      command: 'curl',
      args: [...this.#options, '--config', configFile],
      role: 'curl',
      servers: { nginx: this.#nginx.pids },
    })
    checkArrived(tree, arrivedAt(join(this.#nginx.places.root, below)))
    removeDeviceTree(tree)
    return round
  }
}

/** nginx puts the absolute path below its root. */
function curlConfig({ digests }: DeviceTree, top: string): string {
  return [...digests.keys()]
    .map((path) => `url = "${top}${encodeURI(path)}"\nupload-file = "${path}"\n`)
    .join('')
}

function arrivedAt(root: string): Map<string, string> {
  return new Map(
    readdirSync(root, { recursive: true, withFileTypes: true }).flatMap((entry) => {
      if (!entry.isFile()) return []
      const path = join(entry.parentPath, entry.name)
      return [[path.slice(root.length), blake3(readFileSync(path)).toString('hex')] as const]
    }),
  )
}
