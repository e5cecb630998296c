import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '../receiver/support/receiver.ts'
import { FaultyLink } from '../support/faulty-link.ts'
import {
  editConfig,
  longshoreCommand,
  longshoreStart,
  type ReceiverProcess,
  type RunningProcess,
  startReceiverProcess,
  writeMachineConfig,
} from '../support/longshore-process.ts'

const MiB = 1024 * 1024
const sizeBytes = 16 * MiB
/** Slow enough that there is time to kill somebody in the middle. */
const bytesPerSecond = 12 * MiB

/** Both ends as processes, a link between them, and one large file on the device. */
class Setting {
  readonly folder: string
  readonly file: string
  readonly bytes = randomBytes(sizeBytes)
  receiver!: ReceiverProcess
  link!: FaultyLink
  daemon!: RunningProcess
  readonly #config: string
  readonly #logs: string[] = []

  private constructor(folder: string) {
    this.folder = folder
    this.file = join(folder, 'logs', 'large.bin')
    this.#config = join(folder, 'config.json')
  }

  static async open(t: TestContext): Promise<Setting> {
    const setting = new Setting(await mkdtemp(join(tmpdir(), 'longshore-kills-')))
    t.after(() => setting.#close())
    mkdirSync(join(setting.folder, 'logs'))
    mkdirSync(join(setting.folder, 'capture'))
    await setting.startReceiver()
    await writeFile(setting.file, setting.bytes)
    const address = `https://localhost:${setting.link.port}`
    const receiver = { dataDir: join(setting.folder, 'data'), address }
    await writeMachineConfig(setting.#config, receiver, 'robot', {
      capture_dir: join(setting.folder, 'capture'),
      additional_sync_paths: [join(setting.folder, 'logs')],
      sync_interval_mins: 0.001,
      file_last_modified_millis: 1,
    })
    setting.startDaemon()
    return setting
  }

  async startReceiver(): Promise<void> {
    this.receiver = await startReceiverProcess(join(this.folder, 'data'))
    const port = Number(new URL(this.receiver.address).port)
    if (this.link === undefined) {
      this.link = await FaultyLink.open(port, { upBytesPerSecond: bytesPerSecond })
    } else this.link.set({ toPort: port })
  }

  startDaemon(): void {
    this.daemon = longshoreStart(['run', '--config', this.#config])
  }

  async killReceiver(): Promise<void> {
    await this.receiver.end('SIGKILL')
    this.#logs.push(this.receiver.stderr())
  }

  changeTags(tags: readonly string[]): Promise<void> {
    return editConfig(this.#config, (config) => {
      config.services[0].attributes.tags = tags
    })
  }

  /** Resolves when so much of the file stands at the receiver. */
  async arrived(atLeastBytes: number): Promise<void> {
    const segments = join(this.folder, 'data', 'segments')
    const sizeOf = (name: string) => readFileSync(join(segments, name)).length
    await until(() => {
      const parts = readdirSync(segments).filter((name) => name.endsWith('.part'))
      return parts.some((name) => sizeOf(name) >= atLeastBytes)
    })
  }

  /** How many bytes the receiver's process has read from whatever it read from. */
  bytesReadByReceiver(): number {
    const io = readFileSync(`/proc/${this.receiver.pid}/io`, 'utf8')
    return Number(/^rchar: (\d+)$/m.exec(io)![1])
  }

  /** Waits until the file is gone from the device, and says what the receiver's log has of it. */
  async finish(): Promise<{ requests: number; arrivedBytes: number } | undefined> {
    await until(() => !existsSync(this.file))
    const exported = join(this.folder, 'exported')
    await longshoreCommand(
      'receiver',
      'export',
      '--data',
      join(this.folder, 'data'),
      '--to',
      exported,
    )
    const copies = readdirSync(exported, { recursive: true, encoding: 'utf8' })
    const found = copies.filter((name) => name.endsWith('large.bin'))
    assert.equal(found.length, 1)
    assert.ok(readFileSync(join(exported, found[0]!)).equals(this.bytes), 'byte for byte')
    const lines = this.receiver.stderr().split('\n')
    const line = lines.find((each) => each.includes('"event":"upload_resumed"'))
    if (line === undefined) return undefined
    const { requests, arrived_bytes } = JSON.parse(line)
    return { requests, arrivedBytes: arrived_bytes }
  }

  async #close(): Promise<void> {
    await this.daemon?.end('SIGKILL')
    await this.receiver?.end('SIGKILL')
    await this.link?.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}

test('invariant 6: over cut links and a killed daemon, bytes that the receiver had read arrive again at most 1 MiB a break.', async (t) => {
  const setting = await Setting.open(t)
  await setting.arrived(3 * MiB)
  setting.link.cutAll('rst')
  await setting.arrived(6 * MiB)
  setting.link.cutAll('fin')
  await setting.arrived(9 * MiB)
  await setting.daemon.end('SIGKILL')
  // As after a change of the network: another address, and the old connections lead nowhere.
  setting.link.blackHole()
  setting.startDaemon()
  await new Promise((resolve) => setTimeout(resolve, 100))
  await setting.link.heal()
  const resumed = await setting.finish()
  assert.ok(resumed !== undefined && resumed.requests >= 3)
  const againBytes = resumed.arrivedBytes - sizeBytes
  assert.ok(againBytes <= resumed.requests * MiB, `${againBytes} in ${resumed.requests} requests`)
})

test('invariant 6: what a receiver that is killed had read is missing by at most 1 MiB when it is started again.', async (t) => {
  const setting = await Setting.open(t)
  const atStart = setting.bytesReadByReceiver()
  await setting.arrived(8 * MiB)
  // Nothing more is read between the count and the end.
  process.kill(setting.receiver.pid, 'SIGSTOP')
  const readBytes = setting.bytesReadByReceiver() - atStart
  await setting.killReceiver()
  const segments = join(setting.folder, 'data', 'segments')
  const part = readdirSync(segments).find((name) => name.endsWith('.part'))!
  const keptBytes = readFileSync(join(segments, part)).length
  // TLS and HTTP/2 add less than 2%.
  assert.ok(readBytes * 0.98 - keptBytes <= MiB, `${readBytes} read, ${keptBytes} kept`)
  await setting.startReceiver()
  const before = setting.link.upBytes
  await setting.finish()
  const sentBytes = setting.link.upBytes - before
  assert.ok(sentBytes < sizeBytes - keptBytes + 2 * MiB, `${sentBytes} sent, ${keptBytes} kept`)
})

test('invariant 6: an upload goes on after both ends were killed.', async (t) => {
  const setting = await Setting.open(t)
  await setting.arrived(8 * MiB)
  await Promise.all([setting.killReceiver(), setting.daemon.end('SIGKILL')])
  await setting.startReceiver()
  setting.startDaemon()
  const before = setting.link.upBytes
  await setting.finish()
  const sentBytes = setting.link.upBytes - before
  assert.ok(sentBytes < sizeBytes - 6 * MiB, `${sentBytes} bytes were sent after the kills`)
})

test('An upload whose labels change begins afresh, and is stored once, with the new ones.', async (t) => {
  const setting = await Setting.open(t)
  await setting.arrived(6 * MiB)
  await setting.daemon.end('SIGKILL')
  await setting.changeTags(['new'])
  setting.startDaemon()
  await setting.finish()
  const listing = await longshoreCommand(
    'receiver',
    'ls',
    '--data',
    join(setting.folder, 'data'),
    '--json',
  )
  const [file] = listing
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(file.tags, ['new'])
})
