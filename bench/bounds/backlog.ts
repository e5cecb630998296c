import { randomFillSync } from 'node:crypto'
import { closeSync, futimesSync, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { captureFile, captureFilePath } from '../../test/support/capture-file.ts'

/** Small files that wait: half of them capture files, half arbitrary ones, all in `folders`. */
export interface Backlog {
  readonly captureDir: string
  readonly logDir: string
  readonly files: number
  readonly folders: readonly string[]
}

const ageSeconds = 3600
const smallestBytes = 100
const sizes = 300
const millisBetween = 10
const sensor = { componentType: 'rdk:component:sensor', methodName: 'Readings' }

/** Files of 100 to 400 bytes, last written an hour ago, all different. `folders` is even. */
export function makeBacklog(top: string, files: number, folders: number): Backlog {
  const captureDir = join(top, 'capture')
  const logDir = join(top, 'logs')
  const startedAtMs = Date.now() - ageSeconds * 1000
  const arbitrary = randomFillSync(Buffer.alloc(smallestBytes + sizes))
  const made = new Set<string>()
  for (let index = 0; index < files; index += 1) {
    const inFolder = index % folders
    const number = Math.floor(index / folders)
    let path: string
    let bytes: Buffer
    if (inFolder % 2 === 0) {
      const header = { ...sensor, componentName: `sensor-${inFolder}` }
      path = captureFilePath(captureDir, { ...header, atMs: startedAtMs + number * millisBetween })
      bytes = captureFile({ ...header, type: 2 }, [{ readings: { number } }])
    } else {
      path = join(logDir, `part-${inFolder}`, `event-${number}.log`)
      bytes = arbitrary.subarray(0, smallestBytes + (index % sizes))
      bytes.writeUInt32LE(index)
    }
    const folder = dirname(path)
    if (!made.has(folder)) {
      mkdirSync(folder, { recursive: true })
      made.add(folder)
    }
    write(path, bytes, startedAtMs / 1000)
  }
  return { captureDir, logDir, files, folders: [...made] }
}

export function filesLeft({ folders }: Backlog): number {
  return folders.reduce((count, folder) => count + readdirSync(folder).length, 0)
}

function write(path: string, content: Buffer, mtimeSeconds: number): void {
  const fd = openSync(path, 'wx')
  try {
    writeSync(fd, content)
    futimesSync(fd, mtimeSeconds, mtimeSeconds)
  } finally {
    closeSync(fd)
  }
}
