import { lstatSync, mkdirSync, rmdirSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { type BytePath, fsPath, parentOf } from '../../src/base/byte-path.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Writers } from '../../src/scan/writers-rule.ts'
import type { FileResult, ShardFile } from '../../src/wire/thread-messages.ts'
import type { ScanTree } from '../scan/scan-tree.ts'
import { captureFile } from '../support/capture-file.ts'
import { storedFile } from '../support/fake-transport.ts'

/** How often a file named `hard` cannot be read before it can. */
const triesOfHard = 3
/** A file named `lost` is never readable, and its owner takes it away after so many scans. */
const lostAfterScans = 100
/** A file named `held` is open for writing for so many scans from its upload on. */
const openForScans = 7
const turnsPerFolder = 300
/** Then its owner removes a folder, in which nothing must be left. */
const folderLastsScans = 1800

const captured = captureFile(
  { componentType: 'rdk:component:sensor', componentName: 's', methodName: 'Readings', type: 2 },
  [{ readings: { a: 1 } }],
)

/** Makes files and takes some of them away again; knows what becomes of each when it is read. */
export class DayOwner {
  /** Files that it made, and those that it took away again. */
  made = 0
  takenAway = 0
  readonly #tree: ScanTree
  readonly #clock: Clock
  readonly #scans: () => number
  readonly #tries = new Map<BytePath, number>()
  readonly #openUntilScan = new Map<bigint, number>()
  /** What the owner is going to do, and before which scan. */
  readonly #deeds = new Map<() => void, number>()
  readonly #folders = new Set<string>()
  #turns = 0

  /** @param scans - How many there were so far. */
  constructor(tree: ScanTree, clock: Clock, scans: () => number) {
    this.#tree = tree
    this.#clock = clock
    this.#scans = scans
  }

  /** An arbitrary file, some with a fate of their own, and every other time a capture file. */
  work(): void {
    this.#turns += 1
    const n = this.#turns
    const folder = `logs/${Math.floor(n / turnsPerFolder)}`
    const fate = n % 25 === 0 ? 'hard' : n % 35 === 0 ? 'lost' : n % 30 === 0 ? 'held' : 'plain'
    if (!this.#folders.has(folder)) {
      this.#folders.add(folder)
      this.#deeds.set(() => this.#removeFolder(folder), this.#scans() + folderLastsScans)
    }
    const path = this.#write(`${folder}/${fate}-${n}.log`, `line ${n}\n`)
    if (fate === 'lost') this.#deeds.set(() => this.#takeAway(path), this.#scans() + lostAfterScans)
    if (n % 2 === 0) this.#write(`capture/${folder}/${n}.capture`, captured)
  }

  #removeFolder(folder: string): void {
    this.#folders.delete(folder)
    rmdirSync(fsPath(this.#tree.at(folder)))
  }

  #takeAway(path: BytePath): void {
    unlinkSync(fsPath(path))
    this.#tries.delete(path)
    this.takenAway += 1
  }

  #write(name: string, content: string | Buffer): BytePath {
    const path = this.#tree.at(name)
    const folder = fsPath(parentOf(path))
    mkdirSync(folder, { recursive: true })
    writeFileSync(fsPath(path), content)
    const atSeconds = this.#clock.wallMs() / 1000
    // The folder too: two changes within one tick of the real clock are seconds apart here.
    for (const each of [fsPath(path), folder]) utimesSync(each, atSeconds, atSeconds)
    this.made += 1
    return path
  }

  /** What the owner meant to do by now. */
  tidy(): void {
    for (const [deed, atScan] of this.#deeds) {
      if (atScan > this.#scans()) continue
      this.#deeds.delete(deed)
      deed()
    }
  }

  resultOf(file: ShardFile): FileResult {
    const { path } = file
    if (path.includes('/lost-')) return { status: 'unreadable', errno: 'EIO' }
    if (path.includes('/hard-')) {
      const tries = (this.#tries.get(path) ?? 0) + 1
      this.#tries.set(path, tries)
      if (tries <= triesOfHard) return { status: 'unreadable', errno: 'EIO' }
      this.#tries.delete(path)
    }
    if (path.includes('/held-')) {
      this.#openUntilScan.set(
        lstatSync(fsPath(path), { bigint: true }).ino,
        this.#scans() + openForScans,
      )
    }
    return storedFile(file)
  }

  writers(): Writers {
    const has = (_: bigint, inode: bigint) => (this.#openUntilScan.get(inode) ?? 0) > this.#scans()
    const takenAtMs = this.#clock.monotonicMs()
    return { open: { has, blindTo: 0, takenAtMs }, captureRuns: false }
  }

  /** Files that are not written to any more. */
  forget(): void {
    for (const [inode, until] of this.#openUntilScan) {
      if (until <= this.#scans()) this.#openUntilScan.delete(inode)
    }
  }
}
