import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { LongshoreError } from '../../base/errors.ts'
import { errorFields, type Log } from '../../telemetry/log.ts'
import { parseBasicCredentials } from '../identity/basic-credentials.ts'
import { isSystemError } from '../identity/folder-errors.ts'
import type { MachineStore } from '../identity/machine-store.ts'
import { createHttp2Server, type TlsFiles } from './http2-server.ts'
import type { ServerLimits } from './limits.ts'
import { listenError } from './listen-error.ts'
import { LogLimiter } from './log-limiter.ts'
import { problemReply, type Reply, sendReply } from './reply.ts'
import { type RouteContext, route } from './routes.ts'
import { SessionWindows } from './session-windows.ts'
import { UnreadBytes } from './unread-bytes.ts'

export interface RequestServerOptions {
  readonly host: string
  readonly port: number
  readonly tls: TlsFiles | undefined
  readonly machines: Pick<MachineStore, 'authenticate'>
  readonly context: RouteContext
  /** For the flow-control windows of all connections together. */
  readonly windowLimitBytes: number
  /** For what has arrived of all bodies together and waits to be read. */
  readonly unreadLimitBytes: number
  readonly limits: ServerLimits
  readonly log: Log
  readonly clock: Clock
}

interface OpenSession {
  readonly remote: string | undefined
  /** Runs until the sender has shown who it is. */
  readonly strangerTimer: NodeJS.Timeout
}

/** The sockets: who may speak, how much at once, and how it ends. */
export class RequestServer {
  readonly #options: RequestServerOptions
  readonly #windows: SessionWindows
  readonly #unread: UnreadBytes
  readonly #strangerLog: LogLimiter
  readonly #server: ReturnType<typeof createHttp2Server>
  /** All connections, also those whose handshake never ends. */
  readonly #sockets = new Set<Socket>()
  readonly #sessions = new Map<ServerHttp2Session, OpenSession>()
  readonly #underWay = new Set<Promise<void>>()
  #isClosing = false
  #onLastSessionEnd: () => void = () => {}

  constructor(options: RequestServerOptions) {
    const { limits, windowLimitBytes, unreadLimitBytes, clock } = options
    this.#options = options
    this.#windows = new SessionWindows({
      limitBytes: windowLimitBytes,
      probeMs: limits.windowProbeMs,
      idleMs: limits.windowIdleMs,
    })
    this.#unread = new UnreadBytes({
      limitBytes: unreadLimitBytes,
      checkMs: limits.unreadCheckMs,
    })
    this.#strangerLog = new LogLimiter(() => clock.monotonicMs())
    this.#server = createHttp2Server(options.tls, limits, {
      onSession: (session) => this.#addSession(session),
      onStream: (stream, headers) => this.#start(stream, headers),
    })
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The flow-control windows of all connections together. */
  get grantedBytes(): number {
    return this.#windows.grantedBytes
  }

  listen(): Promise<void> {
    const { host, port, log } = this.#options
    return new Promise((resolve, reject) => {
      const refused = (error: Error) => reject(listenError(error, host, port))
      this.#server.once('error', refused)
      this.#server.listen(port, host, () => {
        this.#server.off('error', refused)
        // A connection that could not be accepted, for want of descriptors or memory.
        this.#server.on('error', (error) => {
          log.error('accept_failed', 'a connection could not be accepted', errorFields(error))
        })
        resolve()
      })
    })
  }

  useCertificate(tls: TlsFiles): void {
    if ('setSecureContext' in this.#server) {
      this.#server.setSecureContext({ ...tls, minVersion: 'TLSv1.2' })
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const sessionsEnded = new Promise<void>((resolve) => {
      this.#onLastSessionEnd = resolve
      if (this.#sessions.size === 0) resolve()
    })
    // GOAWAY: streams under way may finish, new ones go elsewhere.
    for (const session of this.#sessions.keys()) session.close()
    const deadline = new AbortController()
    await Promise.race([
      sessionsEnded,
      this.#options.clock.sleep(this.#options.limits.drainMs, deadline.signal),
    ])
    deadline.abort()
    for (const session of this.#sessions.keys()) session.destroy()
    // A peer that never closes its end, or never got to speak HTTP/2, holds a socket without a session.
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#underWay)
    await closed
  }

  #addSession(session: ServerHttp2Session): void {
    const strangerTimer = setTimeout(
      () => session.destroy(),
      this.#options.limits.strangerMs,
    ).unref()
    this.#sessions.set(session, { remote: session.socket.remoteAddress, strangerTimer })
    session.once('close', () => {
      clearTimeout(strangerTimer)
      this.#sessions.delete(session)
      if (this.#sessions.size === 0) this.#onLastSessionEnd()
    })
    // Its handshake was under way when we were told to end.
    if (this.#isClosing) session.close()
  }

  #start(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const underWay = this.#handle(stream, headers)
      .catch((error) => {
        this.#options.log.error('request_failed', 'a request failed', errorFields(error))
        stream.destroy(error)
      })
      .finally(() => this.#underWay.delete(underWay))
    this.#underWay.add(underWay)
  }

  async #handle(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const reply = await this.#replyTo(stream, headers)
    if (reply === undefined) stream.destroy(new Error('the message broke off'))
    else sendReply(stream, reply, this.#options.limits.lingerMs)
  }

  /** Undefined: the sender is gone. */
  async #replyTo(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
  ): Promise<Reply | undefined> {
    const { session } = stream as { readonly session: ServerHttp2Session | undefined }
    if (session === undefined) return undefined
    try {
      const machine = this.#options.machines.authenticate(headers.authorization)
      if (machine === undefined) return this.#strangerReply(session, headers)
      clearTimeout(this.#sessions.get(session)?.strangerTimer)
      this.#windows.admit(session, stream)
      this.#unread.watch(stream)
      return await route(this.#options.context, machine, stream, headers)
    } catch (error) {
      return this.#failureReply(error)
    }
  }

  #strangerReply(session: ServerHttp2Session, headers: IncomingHttpHeaders): Reply {
    const leftOut = this.#strangerLog.admit()
    if (leftOut !== undefined) {
      this.#options.log.warn('credentials_rejected', 'unknown machine or wrong secret', {
        remote: this.#sessions.get(session)?.remote,
        machine: parseBasicCredentials(headers.authorization)?.id,
        ...(leftOut > 0 && { left_out: leftOut }),
      })
    }
    return problemReply(
      {
        code: 'credentials_rejected',
        status: 401,
        detail: 'Unknown machine or wrong secret. Add it with: longshore receiver machine add',
      },
      { 'www-authenticate': 'Basic realm="longshore"' },
    )
  }

  #failureReply(error: unknown): Reply {
    const { log } = this.#options
    const code = 'data_folder_unusable'
    if (isSystemError(error) || (error instanceof LongshoreError && error.code === code)) {
      log.error(code, 'the data folder cannot be used', errorFields(error))
      const detail = "The receiver's data folder cannot be used at the moment; its log says why."
      return problemReply({ code, status: 503, detail }, { 'retry-after': '60' })
    }
    log.error('request_failed', 'a request failed', errorFields(error))
    const detail = 'The receiver failed; its log says why.'
    return problemReply({ code: 'internal', status: 500, detail })
  }
}
