import { randomFillSync } from 'node:crypto'
import {
  closeSync,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { blake3 } from '@napi-rs/blake-hash'
import { captureFile, captureFilePath } from '../../test/support/capture-file.ts'

/** A device's files, as they were made. */
export interface DeviceTree {
  readonly captureDir: string
  readonly logDir: string
  /** BLAKE3 in hex, by absolute path. */
  readonly digests: ReadonlyMap<string, string>
}

/** Component type, component name and method of each stream of capture files. */
const streams = [
  ['rdk:component:camera', 'front', 'GetImages'],
  ['rdk:component:camera', 'rear', 'GetImages'],
  ['rdk:component:movement_sensor', 'imu', 'LinearAcceleration'],
  ['rdk:component:movement_sensor', 'imu', 'AngularVelocity'],
  ['rdk:component:movement_sensor', 'gps', 'Position'],
  ['rdk:component:arm', 'left', 'JointPositions'],
  ['rdk:component:arm', 'left', 'EndPosition'],
  ['rdk:component:power_sensor', 'battery', 'Readings'],
] as const
/** And folders of arbitrary files below a further sync path. */
const logFolders = ['navigation', 'system'] as const

const folders = streams.length + logFolders.length
export const bytesPerFile = 4096
const millisBetween = 33
const ageMs = 3_600_000

/**
 * Makes `count` files of 4 KiB, evenly over ten folders: eight streams of capture files that parse, and
 * two folders of arbitrary files. All differ, and all were last written an hour ago.
 */
export function makeDeviceTree(folder: string, count: number): DeviceTree {
  const captureDir = join(folder, 'capture')
  const logDir = join(folder, 'logs')
  const digests = new Map<string, string>()
  const startedAtMs = Date.now() - ageMs
  const contents = [...streams.map(captureTemplate), ...logFolders.map(() => randomBytes())]
  for (let index = 0; index < count; index++) {
    const inFolder = index % folders
    const number = Math.floor(index / folders)
    const content = contents[inFolder]!
    randomFillSync(content, bytesPerFile - 64)
    const path =
      inFolder < streams.length
        ? capturePath(captureDir, streams[inFolder]!, startedAtMs + number * millisBetween)
        : join(logDir, logFolders[inFolder - streams.length]!, `segment-${number}.log`)
    if (number === 0) mkdirSync(dirname(path), { recursive: true })
    write(path, content, startedAtMs / 1000)
    digests.set(path, blake3(content).toString('hex'))
  }
  return { captureDir, logDir, digests }
}

/** Paths of all files that are still in the tree. */
export function filesLeft({ captureDir, logDir }: DeviceTree): string[] {
  return [captureDir, logDir].flatMap((top) =>
    readdirSync(top, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  )
}

export function removeDeviceTree({ captureDir, logDir }: DeviceTree): void {
  for (const top of [captureDir, logDir]) rmSync(top, { recursive: true, force: true })
}

/** @throws Error unless `arrived` is what the device had, file by file. */
export function checkArrived(tree: DeviceTree, arrived: ReadonlyMap<string, string>): void {
  const wrong = [...tree.digests].filter(([path, digest]) => arrived.get(path) !== digest)
  if (wrong.length > 0 || arrived.size !== tree.digests.size) {
    throw new Error(
      `${arrived.size} of ${tree.digests.size} files arrived; ` +
        `${wrong.length} are missing or differ, the first ${wrong[0]?.[0] ?? 'none'}`,
    )
  }
}

type Stream = (typeof streams)[number]

function captureTemplate([componentType, componentName, methodName]: Stream): Buffer {
  const header = { componentType, componentName, methodName, type: 1, mimeType: 'image/jpeg' }
  const withPayload = (sizeBytes: number) =>
    captureFile(header, [{ binary: randomFillSync(Buffer.alloc(sizeBytes)) }])
  const overheadBytes = withPayload(3000).length - 3000
  return withPayload(bytesPerFile - overheadBytes)
}

function randomBytes(): Buffer {
  return randomFillSync(Buffer.alloc(bytesPerFile))
}

function capturePath(captureDir: string, stream: Stream, atMs: number): string {
  const [componentType, componentName, methodName] = stream
  return captureFilePath(captureDir, { componentType, componentName, methodName, atMs })
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
