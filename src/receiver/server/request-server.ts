import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { errnoOf, LongshoreError } from '../../base/errors.ts'
import { errorFields, type Log } from '../../telemetry/log.ts'
import { parseBasicCredentials } from '../identity/basic-credentials.ts'
import type { MachineStore } from '../identity/machine-store.ts'
import { createHttp2Server, type TlsFiles } from './http2-server.ts'
import { problemReply, sendReply } from './reply.ts'
import { type RouteContext, route } from './routes.ts'
import { SessionWindows } from './session-windows.ts'

export interface RequestServerOptions {
  readonly host: string
  readonly port: number
  readonly tls: TlsFiles | undefined
  readonly machines: MachineStore
  readonly context: RouteContext
  /** For the flow-control windows of all connections together. */
  readonly windowLimitBytes: number
  readonly log: Log
  readonly clock: Clock
}

/** How long uploads under way may still finish when the receiver is told to end. */
const drainMs = 10_000

/** The sockets: who may speak, how much at once, and how it ends. */
export class RequestServer {
  readonly #options: RequestServerOptions
  readonly #windows: SessionWindows
  readonly #server: ReturnType<typeof createHttp2Server>
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #underWay = new Set<Promise<void>>()

  constructor(options: RequestServerOptions) {
    this.#options = options
    this.#windows = new SessionWindows(options.windowLimitBytes)
    this.#server = createHttp2Server(options.tls, {
      onSession: (session) => {
        this.#sessions.add(session)
        session.once('close', () => this.#sessions.delete(session))
      },
      onStream: (stream, headers) => this.#start(stream, headers),
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  listen(): Promise<void> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(listenError(error, host, port)))
      this.#server.listen(port, host, resolve)
    })
  }

  useCertificate(tls: TlsFiles): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(tls)
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    // GOAWAY: streams under way may finish, new ones go elsewhere.
    for (const session of this.#sessions) session.close()
    const deadline = new AbortController()
    await Promise.race([
      Promise.all([...this.#underWay]).then(() => closed),
      this.#options.clock.sleep(drainMs, deadline.signal),
    ])
    deadline.abort()
    for (const session of this.#sessions) session.destroy()
    await Promise.all([...this.#underWay])
    await closed
  }

  #start(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const underWay = this.#handle(stream, headers).finally(() => this.#underWay.delete(underWay))
    this.#underWay.add(underWay)
  }

  async #handle(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    try {
      const machine = this.#options.machines.authenticate(headers.authorization)
      if (machine === undefined) return this.#refuseStranger(stream, headers)
      const session = stream.session as ServerHttp2Session | undefined
      if (session !== undefined) {
        this.#windows.admit(session)
        stream.on('data', (bytes: Buffer) => this.#windows.onBytes(session, bytes.length))
        stream.pause()
      }
      const reply = await route(this.#options.context, machine, stream, headers)
      if (reply === undefined) stream.destroy()
      else sendReply(stream, reply)
    } catch (error) {
      this.#options.log.error('request_failed', 'a request failed', errorFields(error))
      const detail = 'The receiver failed; its log says why.'
      sendReply(stream, problemReply({ code: 'internal', status: 500, detail }))
    }
  }

  #refuseStranger(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const remote = stream.session?.socket.remoteAddress
    this.#options.log.warn('credentials_rejected', 'unknown machine or wrong secret', {
      remote,
      machine: parseBasicCredentials(headers.authorization)?.id,
    })
    sendReply(
      stream,
      problemReply(
        {
          code: 'credentials_rejected',
          status: 401,
          detail: 'Unknown machine or wrong secret. Add it with: longshore receiver machine add',
        },
        { 'www-authenticate': 'Basic realm="longshore"' },
      ),
    )
  }
}

function listenError(error: Error, host: string, port: number): Error {
  const at = `${host}:${port}`
  switch (errnoOf(error)) {
    case 'EADDRINUSE':
      return new LongshoreError('port_in_use', `something else listens on ${at} already`, {
        hint: 'Stop it, or choose another port with --listen.',
        cause: error,
      })
    case 'EACCES':
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new LongshoreError('listen_refused', `cannot listen on ${at}: ${error.message}`, {
        hint: 'Give --listen an address of this computer and a port above 1023.',
        cause: error,
      })
    default:
      return error
  }
}
