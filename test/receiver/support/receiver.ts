import { readdir } from 'node:fs/promises'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { ensureCa } from '../../../src/receiver/identity/ca.ts'
import { openDataFolder } from '../../../src/receiver/identity/data-folder.ts'
import { MachineStore } from '../../../src/receiver/identity/machine-store.ts'
import { ensureServerCertificate } from '../../../src/receiver/identity/server-certificate.ts'
import {
  type Receiver,
  type ReceiverOptions,
  startReceiver,
} from '../../../src/receiver/receiver.ts'
import { FolderSegmentStore } from '../../../src/receiver/store/folder-segment-store.ts'
import { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
import type { Log, LogFields } from '../../../src/telemetry/log.ts'
import type { BuiltMessage } from '../../support/message.ts'
import { readAll, type StoredWithBytes, temporaryFolder } from './stores.ts'

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly event: string
  readonly message: string
  readonly fields: LogFields
}

export interface RunningReceiver {
  readonly receiver: Receiver
  readonly port: number
  readonly dataDir: string
  readonly caPem: string
  readonly lines: LogLine[]
  /** `Authorization` of the machine `robot`. */
  readonly robot: string
  /** `Authorization` of a further machine. */
  addMachine(id: string): Promise<string>
  removeMachine(id: string): Promise<void>
  /** A connection of its own, which ends with the test; by a port that leads to the receiver's. */
  connect(port?: number): ClientHttp2Session
  stored(): Promise<readonly StoredWithBytes[]>
  /** The names of the finished segments' files. */
  segments(): Promise<string[]>
}

export interface RunningOptions
  extends Partial<Pick<ReceiverOptions, 'limits' | 'memoryBytes' | 'minFreeShare'>> {
  readonly store?: 'folder' | 'null'
  readonly dataDir?: string
  readonly cleartext?: boolean
}

/** A real receiver over TLS on loopback; it is closed after the test. */
export async function startRunning(
  t: TestContext,
  options: RunningOptions = {},
): Promise<RunningReceiver> {
  const { store = 'folder', cleartext = false, minFreeShare = 0, memoryBytes } = options
  const dataDir = options.dataDir ?? (await temporaryFolder(t))
  const dataFolder = await openDataFolder(dataDir, { store, create: true })
  const { tlsFolder, catalogFile, segmentsFolder } = dataFolder
  const ca = await ensureCa(tlsFolder)
  const names = ['localhost']
  const tls = await ensureServerCertificate({ tlsFolder, ca, names, nowMs: Date.now() })
  const machines = await MachineStore.open(dataFolder.machinesFolder)
  const addMachine = async (id: string) => basic(id, (await machines.add(id)).secret)
  const lines: LogLine[] = []
  const receiver = await startReceiver({
    dataFolder,
    host: '127.0.0.1',
    port: 0,
    tls: cleartext ? undefined : tls,
    minFreeShare,
    // Peers that a test leaves hanging do not hold it up.
    limits: { drainMs: 200, ...options.limits },
    ...(memoryBytes !== undefined && { memoryBytes }),
    log: logInto(lines),
    clock: systemClock,
  })
  t.after(() => receiver.close())
  return {
    receiver,
    port: receiver.port,
    dataDir,
    caPem: ca.certPem,
    lines,
    robot: await addMachine('robot').catch(() => ''),
    addMachine,
    removeMachine: (id) => machines.remove(id),
    connect: (port = receiver.port) => {
      const origin = `${cleartext ? 'http' : 'https'}://localhost:${port}`
      // Node's client counts what it could not send on streams that were reset until the end.
      const session = connect(origin, { ca: ca.certPem, maxSessionMemory: 1000 })
      session.on('error', () => {})
      t.after(() => session.destroy())
      return session
    },
    stored: async () => {
      const catalog = SqliteCatalog.open(catalogFile, { readOnly: true })
      const segments = await FolderSegmentStore.open(segmentsFolder)
      try {
        return await readAll(segments, catalog)
      } finally {
        await segments.close()
        await catalog.close()
      }
    },
    segments: async () => {
      const names = await readdir(join(dataDir, 'segments'))
      return names.filter((name) => name.endsWith('.seg'))
    },
  }
}

export function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

function logInto(lines: LogLine[]): Log {
  const at =
    (level: LogLine['level']) =>
    (event: string, message: string, fields: LogFields = {}) => {
      lines.push({ level, event, message, fields })
    }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** What the answer says as JSON. */
export function json(answer: Answer): Record<string, unknown> & { readonly outcomes?: unknown[] } {
  return JSON.parse(String(answer.body))
}

export function uploadHeaders(authorization: string, message: BuiltMessage): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':path': '/v1/uploads',
    authorization,
    'content-type': message.contentType,
    'content-length': message.body.length,
    'idempotency-key': `"${message.uploadId}"`,
  }
}

/** A request whose answer is read to its end; undefined when the stream ended without one. */
export function answerOf(stream: ClientHttp2Stream): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    let headers: IncomingHttpHeaders | undefined
    const pieces: Buffer[] = []
    stream.on('error', () => {})
    stream.on('response', (received) => {
      headers = received
    })
    stream.on('data', (piece) => pieces.push(piece))
    stream.on('close', () => {
      if (headers === undefined) resolve(undefined)
      else resolve({ status: Number(headers[':status']), headers, body: Buffer.concat(pieces) })
    })
  })
}

export async function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: Buffer | string,
): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined })
  const answer = answerOf(stream)
  if (body !== undefined) stream.end(body)
  const found = await answer
  if (found === undefined) throw new Error(`no answer, reset with ${stream.rstCode}`)
  return found
}

export function upload(
  session: ClientHttp2Session,
  authorization: string,
  message: BuiltMessage,
  more: OutgoingHttpHeaders = {},
): Promise<Answer> {
  return ask(session, { ...uploadHeaders(authorization, message), ...more }, message.body)
}

/** Looks again and again, until it is so; a test in which it never is fails instead of hanging. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let look = 0; !(await isSo()); look += 1) {
    if (look === 3000) throw new Error(`never came true: ${isSo}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
