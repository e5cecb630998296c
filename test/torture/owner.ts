import { join } from 'node:path'
import { captureFile, captureFilePath } from '../support/capture-file.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { OwnedFile } from './owned-file.ts'

const KiB = 1024
const MiB = 1024 * KiB
/** Files that are changed later. Their content is kept in memory. */
const rememberedFiles = 24
const rememberedBytes = 4 * MiB
/** While so much waits on the device, nothing new is made. */
const maxWaitingBytes = 96 * MiB

export interface OwnerFolders {
  readonly captureDir: string
  readonly logDir: string
}

/**
 * Somebody who makes files on the device and goes on working on them, without a thought for the
 * daemon: grows, rewrites, replaces, truncates and deletes them. What is done, to how many bytes and
 * with what pauses follows from the seed.
 */
export class Owner {
  readonly files: OwnedFile[] = []
  readonly #name: string
  readonly #folders: OwnerFolders
  readonly #random: SeededRandom
  readonly #recent: OwnedFile[] = []
  #serial = 0
  /** How often what was done. */
  readonly deeds = new Map<string, number>()

  constructor(name: string, folders: OwnerFolders, random: SeededRandom) {
    this.#name = name
    this.#folders = folders
    this.#random = random
  }

  /** Goes on until `signal`, then finishes what it has begun. */
  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const random = this.#random.fork()
      await pause(random.between(20, 250))
      if (this.waitingBytes() < maxWaitingBytes) await this.#doSomething(random)
    }
  }

  /** What its files on the device take up, as far as it knows. */
  waitingBytes(): number {
    let bytes = 0
    for (const file of this.files) {
      if (file.current !== undefined && !file.noticeRemoval()) bytes += file.current.sizeBytes
    }
    return bytes
  }

  async #doSomething(random: SeededRandom): Promise<void> {
    const deeds: readonly [string, number, (random: SeededRandom) => void | Promise<void>][] = [
      ['made', 30, (r) => this.#make(r)],
      ['made a burst', 4, (r) => this.#makeBurst(r)],
      ['captured', 20, (r) => this.#capture(r)],
      ['moved in', 10, (r) => this.#moveIn(r)],
      ['grew in steps', 8, (r) => this.#growInSteps(r)],
      ['grew held open', 6, (r) => this.#growHeldOpen(r)],
      ['appended', 8, (r) => this.#changeRecent(r, appendSome)],
      ['rewrote in place', 8, (r) => this.#changeRecent(r, overwriteSome)],
      ['wrote afresh', 6, (r) => this.#changeRecent(r, writeAfresh)],
      ['truncated', 4, (r) => this.#changeRecent(r, cutShort)],
      ['replaced', 8, (r) => this.#replaceRecent(r)],
      ['deleted', 5, (r) => this.#pickRecent(r)?.delete()],
    ]
    const total = deeds.reduce((sum, [, weight]) => sum + weight, 0)
    let at = random.fraction() * total
    for (const [name, weight, deed] of deeds) {
      at -= weight
      if (at >= 0) continue
      await deed(random)
      this.deeds.set(name, (this.deeds.get(name) ?? 0) + 1)
      return
    }
  }

  #newFile(random: SeededRandom, ending: string): OwnedFile {
    this.#serial += 1
    const folder = random.pick(['', 'a', 'a/b', `day-${random.between(1, 9)}`])
    const root = random.chance(0.3) ? this.#folders.captureDir : this.#folders.logDir
    return this.#own(join(root, folder, `${this.#name}-${this.#serial}${ending}`))
  }

  #own(path: string): OwnedFile {
    const file = new OwnedFile(path)
    this.files.push(file)
    return file
  }

  #remember(file: OwnedFile): void {
    if ((file.content?.length ?? 0) > rememberedBytes) file.content = undefined
    else this.#recent.push(file)
    if (this.#recent.length > rememberedFiles) this.#recent.shift()!.content = undefined
  }

  /** One that is there, as far as its owner knows. */
  #pickRecent(random: SeededRandom): OwnedFile | undefined {
    return this.#recent[Math.floor(random.fraction() * this.#recent.length)]
  }

  async #make(random: SeededRandom): Promise<void> {
    const file = this.#newFile(random, '.bin')
    const bytes = random.bytes(someSize(random))
    await file.change((writer) => writer.append(bytes))
    this.#remember(file)
  }

  async #makeBurst(random: SeededRandom): Promise<void> {
    for (let count = random.between(10, 120); count > 0; count -= 1) {
      const bytes = random.bytes(random.between(1, 8 * KiB))
      await this.#newFile(random, '.json').change((writer) => writer.append(bytes))
    }
  }

  #capture(random: SeededRandom): void {
    this.#serial += 1
    const header = {
      componentType: 'rdk:component:camera',
      componentName: this.#name,
      methodName: 'ReadImage',
      type: 1,
    }
    const name = { ...header, atMs: Date.now(), micros: this.#serial % 1000 }
    const finished = captureFilePath(this.#folders.captureDir, name)
    const file = this.files.find(({ path }) => path === finished) ?? this.#own(finished)
    const bytes = captureFile(header, [{ binary: random.bytes(someSize(random)) }])
    file.replace(bytes, captureFilePath(this.#folders.captureDir, { ...name, extension: '.prog' }))
  }

  #moveIn(random: SeededRandom): void {
    const file = this.#newFile(random, '.mp4')
    file.replace(random.bytes(someSize(random)), `${file.path}.tmp`)
    this.#remember(file)
  }

  async #growInSteps(random: SeededRandom): Promise<void> {
    const file = this.#newFile(random, '.log')
    for (let steps = random.between(2, 6); steps > 0; steps -= 1) {
      const bytes = random.bytes(Math.ceil(someSize(random) / 4))
      await file.change((writer) => writer.append(bytes))
      await pause(random.between(50, 600))
    }
    this.#remember(file)
  }

  async #growHeldOpen(random: SeededRandom): Promise<void> {
    const file = this.#newFile(random, '.held')
    await file.change(async (writer) => {
      for (let steps = random.between(2, 5); steps > 0; steps -= 1) {
        writer.append(random.bytes(Math.ceil(someSize(random) / 4)))
        await pause(random.between(50, 900))
      }
    })
    this.#remember(file)
  }

  async #changeRecent(
    random: SeededRandom,
    how: (writer: Parameters<Parameters<OwnedFile['change']>[0]>[0], random: SeededRandom) => void,
  ): Promise<void> {
    await this.#pickRecent(random)?.change((writer) => how(writer, random))
  }

  #replaceRecent(random: SeededRandom): void {
    const file = this.#pickRecent(random)
    file?.replace(random.bytes(Math.min(rememberedBytes, someSize(random))), `${file.path}.tmp`)
  }
}

type Writer = Parameters<Parameters<OwnedFile['change']>[0]>[0]

function appendSome(writer: Writer, random: SeededRandom): void {
  writer.append(random.bytes(random.between(1, 200 * KiB)))
}

/** In the middle, so that a copy made meanwhile would be half old and half new. */
function overwriteSome(writer: Writer, random: SeededRandom): void {
  const at = random.between(0, writer.content.length)
  writer.overwrite(random.bytes(random.between(1, 64 * KiB)), at)
}

function writeAfresh(writer: Writer, random: SeededRandom): void {
  writer.truncate(0)
  writer.append(random.bytes(random.between(1, 2 * MiB)))
}

function cutShort(writer: Writer, random: SeededRandom): void {
  writer.truncate(random.between(0, writer.content.length))
}

/** Many around the sizes at which things change: one byte, a read buffer, a bundle. */
function someSize(random: SeededRandom): number {
  const kind = random.fraction()
  if (kind < 0.1) return random.between(1, 100)
  if (kind < 0.45) return random.between(1, 64 * KiB)
  if (kind < 0.65) return 256 * KiB + random.between(-2, 2)
  if (kind < 0.83) return MiB + random.between(-2, 2)
  if (kind < 0.95) return random.between(MiB, 5 * MiB)
  return random.between(5 * MiB, 20 * MiB)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
