import { randomFillSync } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { blake3, type Digest } from '../../src/base/hash.ts'
import { captureFile, captureFilePath } from '../../test/support/capture-file.ts'

export interface Schedule {
  readonly captureEveryMs: number
  readonly logLineEveryMs: number
  readonly logRotatesEveryMs: number
  readonly largeEveryMs: number
}

const largeBytes = 5_000_000
const imu = {
  componentType: 'rdk:component:movement_sensor',
  componentName: 'imu',
  methodName: 'Readings',
  type: 2,
  fileExtension: '.dat',
}

/** A robot at a modest rate: sensor readings, a log that is rotated, and now and then a large file. */
export class MixedLoad {
  /** Hash of every finished file, by path. Each is written once and never again. */
  readonly finished = new Map<string, Digest>()
  readonly #captureDir: string
  readonly #logDir: string
  readonly #timers: NodeJS.Timeout[]
  readonly #large = Buffer.alloc(largeBytes)
  #readings = 0
  #rotations = 0
  #larges = 0
  #lines: string[] = []
  #logFd: number

  constructor(captureDir: string, logDir: string, schedule: Schedule) {
    this.#captureDir = captureDir
    this.#logDir = logDir
    for (const path of [captureDir, logDir]) mkdirSync(path, { recursive: true })
    this.#logFd = openSync(this.#logFile, 'wx')
    this.#timers = [
      setInterval(() => this.#capture(), schedule.captureEveryMs),
      setInterval(() => this.#log(), schedule.logLineEveryMs),
      setInterval(() => this.#rotate(), schedule.logRotatesEveryMs),
      setInterval(() => this.#makeLarge(), schedule.largeEveryMs),
    ]
  }

  /** Finishes the log, too. */
  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#log()
    this.#rotate()
    closeSync(this.#logFd)
    unlinkSync(this.#logFile)
  }

  /** Open for writing, and therefore left alone, until it is rotated. */
  get #logFile(): string {
    return join(this.#logDir, 'robot.log')
  }

  #capture(): void {
    this.#readings += 1
    const bytes = captureFile(imu, [{ readings: { serial: this.#readings, az: 9.81 } }])
    const name = { ...imu, atMs: Date.now(), micros: this.#readings % 1000 }
    const path = captureFilePath(this.#captureDir, name)
    const unfinished = captureFilePath(this.#captureDir, { ...name, extension: '.prog' })
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(unfinished, bytes)
    this.finished.set(path, blake3(bytes))
    renameSync(unfinished, path)
  }

  #log(): void {
    const line = `${new Date().toISOString()} INFO reading ${this.#readings}\n`
    writeSync(this.#logFd, line)
    this.#lines.push(line)
  }

  #rotate(): void {
    if (this.#lines.length === 0) return
    this.#rotations += 1
    const path = `${this.#logFile}.${this.#rotations}`
    this.finished.set(path, blake3(Buffer.from(this.#lines.join(''))))
    this.#lines = []
    renameSync(this.#logFile, path)
    closeSync(this.#logFd)
    this.#logFd = openSync(this.#logFile, 'wx')
  }

  #makeLarge(): void {
    this.#larges += 1
    const path = join(this.#logDir, `map-${this.#larges}.bin`)
    randomFillSync(this.#large)
    this.finished.set(path, blake3(this.#large))
    writeFileSync(path, this.#large)
  }
}
