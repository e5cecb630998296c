import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { blake3 } from '../../src/base/hash.ts'
import { captureFile, captureFilePath } from '../../test/support/capture-file.ts'

/*
 * A robot's data capture, for the demo: camera frames and sensor readings as Viam's data manager
 * writes them (a .prog file that is renamed when it is complete), and log files that grow. Prints one
 * JSON line for each finished file: where it is and what its bytes hash to.
 *
 *   node producer.ts CAPTURE_DIR LOG_DIR SECONDS
 */
const [captureDir, logDir, seconds] = process.argv.slice(2) as [string, string, string]
const endAtMs = Date.now() + Number(seconds) * 1000
const framesPerTick = 2
const readingsPerTick = 12
const tickMs = 50
/** A new log file every so often, as logrotate would have it. */
const logTicks = 30

let serial = 0
let logFile = ''
let logText = ''

function finished(path: string, bytes: Buffer): void {
  process.stdout.write(`${JSON.stringify({ path, size: bytes.length, blake3: blake3(bytes) })}\n`)
}

function capture(header: Parameters<typeof captureFile>[0], message: object): void {
  const bytes = captureFile(header, [message as Parameters<typeof captureFile>[1][number]])
  const name = { ...header, atMs: Date.now(), micros: serial++ % 1000 }
  const path = captureFilePath(captureDir, name)
  const unfinished = captureFilePath(captureDir, { ...name, extension: '.prog' })
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(unfinished, bytes)
  renameSync(unfinished, path)
  finished(path, bytes)
}

/** Compressed images are as good as random. */
function frame(): Buffer {
  const bytes = Buffer.allocUnsafe(50_000 + Math.floor(Math.random() * 150_000))
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    bytes.writeUInt32LE((Math.random() * 2 ** 32) >>> 0, at)
  }
  return bytes
}

const camera = {
  componentType: 'rdk:component:camera',
  componentName: 'front',
  methodName: 'ReadImage',
  type: 1,
  fileExtension: '.jpeg',
  mimeType: 'image/jpeg',
}
const imu = {
  componentType: 'rdk:component:movement_sensor',
  componentName: 'imu',
  methodName: 'Readings',
  type: 2,
  fileExtension: '.dat',
  tags: ['demo'],
}

function log(tick: number): void {
  if (tick % logTicks === 0) {
    if (logFile !== '') finished(logFile, Buffer.from(logText))
    logFile = join(logDir, `robot-${String(tick).padStart(5, '0')}.log`)
    logText = ''
  }
  const line = `${new Date().toISOString()} INFO tick ${tick}: battery 11.${tick % 10} V\n`
  appendFileSync(logFile, line)
  logText += line
}

mkdirSync(logDir, { recursive: true })
for (let tick = 0; Date.now() < endAtMs; tick += 1) {
  for (let n = 0; n < framesPerTick; n += 1) capture(camera, { binary: frame() })
  for (let n = 0; n < readingsPerTick; n += 1) {
    capture(imu, { readings: { ax: Math.random(), ay: Math.random(), az: 9.81, tick } })
  }
  log(tick)
  await new Promise((resolve) => setTimeout(resolve, tickMs))
}
if (logFile !== '') finished(logFile, Buffer.from(logText))
