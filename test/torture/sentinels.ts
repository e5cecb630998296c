import {
  type BigIntStats,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/** Files in a root that the daemon must leave alone, whatever happens. */
export class Sentinels {
  readonly #stats = new Map<string, BigIntStats>()
  readonly #heldOpen: number

  constructor(root: string) {
    const folder = join(root, 'sentinels')
    mkdirSync(join(folder, 'failed'), { recursive: true })
    const make = (name: string, text: string) => {
      const path = join(folder, name)
      writeFileSync(path, text)
      return path
    }
    const paths = [
      make('unfinished.part', 'excluded by its name'),
      make('failed/set-aside', 'in a folder of files set aside'),
      make('empty', ''),
      make('linked', 'has two names'),
      make('held-open', 'somebody writes to it'),
    ]
    const [, , , linked, heldOpen] = paths
    paths.push(join(folder, 'second-name'), join(folder, 'symbolic'))
    linkSync(linked!, join(folder, 'second-name'))
    symlinkSync('held-open', join(folder, 'symbolic'))
    this.#heldOpen = openSync(heldOpen!, 'r+')
    for (const path of paths) this.#stats.set(path, lstatSync(path, { bigint: true }))
  }

  /** Those that are gone or were touched. */
  problems(): string[] {
    return [...this.#stats].flatMap(([path, before]) => {
      const now = lstatSync(path, { bigint: true, throwIfNoEntry: false })
      if (now === undefined) return [`${path} must not be removed, and is gone`]
      const same = now.ino === before.ino && now.size === before.size
      return same && now.mtimeNs === before.mtimeNs ? [] : [`${path} was changed`]
    })
  }

  close(): void {
    closeSync(this.#heldOpen)
  }
}
