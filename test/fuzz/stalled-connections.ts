import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  encodeFrame,
  encodeHeaders,
  flags,
  frameTypes,
  uploadRequest,
} from '../receiver/support/raw-http2.ts'

/*
 * `npm run stall -- [--connections N] [--memory-mb N]`: how much memory a receiver takes when this
 * many connections over TLS show who they are, begin uploads, and then fall silent.
 */
const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '2000' },
    'memory-mb': { type: 'string', default: '1024' },
  },
})
const connectionCount = Number(values.connections)
const memoryBytes = Number(values['memory-mb']) * 1024 * 1024
/** So that each stays within its share of the connections. */
const connectionsPerMachine = 250
const bodyBytes = 4_000_000
/** What any connection may have on its way without asking. */
const sentBytes = 65_535

const program = fileURLToPath(new URL('stalled-receiver.ts', import.meta.url))
const machineCount = Math.ceil(connectionCount / connectionsPerMachine)
const child = spawn(process.execPath, [program, String(memoryBytes), String(machineCount)], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
const [line] = await once(createInterface(child.stdout), 'line')
const { port, caPem, authorizations }: Receiver = JSON.parse(line)

interface Receiver {
  readonly port: number
  readonly caPem: string
  readonly authorizations: readonly string[]
}

report('before any connection')
const sockets: TLSSocket[] = []
for (let index = 0; index < connectionCount; index += 1) {
  sockets.push(await open(authorizations[index % machineCount]!))
}
await quiet()
report(`${connectionCount} connections, each known and idle`)
for (const [index, socket] of sockets.entries()) {
  beginUpload(socket, 3, authorizations[index % machineCount]!)
}
await quiet()
report(`each with an upload of ${bodyBytes} bytes that stops after ${sentBytes}`)
for (const [index, socket] of sockets.entries()) {
  for (let stream = 5; stream < 5 + 2 * 30; stream += 2) {
    beginUpload(socket, stream, authorizations[index % machineCount]!)
  }
}
await quiet()
report('each with 30 more such uploads')
const openSockets = sockets.filter(({ closed }) => !closed).length
console.log(`${openSockets} of ${connectionCount} connections are still open`)
for (const socket of sockets) socket.destroy()
child.stdin.end()
await once(child, 'exit')

async function open(authorization: string): Promise<TLSSocket> {
  const socket = connect({ port, host: 'localhost', ca: caPem, ALPNProtocols: ['h2'] })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  socket.write(encodeFrame(frameTypes.settings, 0, 0))
  socket.write(encodeFrame(frameTypes.settings, flags.ack, 0))
  const headers = encodeHeaders({
    ':method': 'GET',
    ':path': '/v1/machine',
    ':scheme': 'https',
    ':authority': 'localhost',
    authorization,
  })
  socket.write(encodeFrame(frameTypes.headers, flags.endHeaders | flags.endStream, 1, headers))
  await once(socket, 'data')
  socket.resume()
  return socket
}

function beginUpload(socket: TLSSocket, streamId: number, authorization: string): void {
  if (socket.closed) return
  const headers = encodeHeaders(uploadRequest(authorization, bodyBytes))
  socket.write(encodeFrame(frameTypes.headers, flags.endHeaders, streamId, headers))
  for (let left = sentBytes; left > 0; left -= 16_384) {
    const payload = Buffer.alloc(Math.min(left, 16_384))
    socket.write(encodeFrame(frameTypes.data, 0, streamId, payload))
  }
}

/** Until the receiver has taken in what it will take in. */
async function quiet(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5000))
}

function report(stage: string): void {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  const rssKib = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
  console.log(`${String(Math.round(rssKib / 1024)).padStart(6)} MiB: ${stage}`)
}
