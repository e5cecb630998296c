import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { LongshoreError } from '../../base/errors.ts'
import { errorFields, type Log } from '../../telemetry/log.ts'
import { parseBasicCredentials } from '../identity/basic-credentials.ts'
import { isSystemError } from '../identity/folder-errors.ts'
import type { MachineId } from '../identity/machine-id.ts'
import type { MachineStore } from '../identity/machine-store.ts'
import { addressGroup } from './address-group.ts'
import { Connections } from './connections.ts'
import { FailedAttempts } from './failed-attempts.ts'
import { createHttp2Server, type TlsFiles, tlsRules } from './http2-server.ts'
import { InstanceWatch } from './instance-watch.ts'
import { LimitedLog } from './limited-log.ts'
import type { ServerLimits } from './limits.ts'
import { listenError } from './listen-error.ts'
import { problemReply, type Reply, sendReply } from './reply.ts'
import { RequestShares } from './request-shares.ts'
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
  /** Open at once, of all connections together. */
  readonly requestLimit: number
  /** Has what is under way without a connection come to its end, when the server is closed. */
  readonly onDeadline: () => Promise<void>
  readonly limits: ServerLimits
  readonly log: Log
  readonly clock: Clock
}

interface OpenSession {
  readonly remote: string | undefined
  /** Until the sender has shown who it is. */
  isStranger: boolean
  readonly strangerTimer: NodeJS.Timeout
}

/** The sockets: who may speak, how much at once, and how it ends. */
export class RequestServer {
  readonly #options: RequestServerOptions
  readonly #windows: SessionWindows
  readonly #unread: UnreadBytes
  readonly #failedAttempts: FailedAttempts
  readonly #instances: InstanceWatch
  readonly #connections: Connections
  readonly #context: RouteContext
  readonly #requests: RequestShares
  readonly #server: ReturnType<typeof createHttp2Server>
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
    this.#requests = new RequestShares(options.requestLimit)
    const monotonicMs = () => clock.monotonicMs()
    this.#failedAttempts = new FailedAttempts({ limits, log: options.log, monotonicMs })
    this.#instances = new InstanceWatch(monotonicMs)
    const log = new LimitedLog({
      log: options.log,
      burst: limits.logLines,
      everyMs: limits.logLineEveryMs,
      monotonicMs,
    })
    this.#context = { ...options.context, log }
    this.#connections = new Connections({ limits, log: options.log, monotonicMs })
    this.#server = createHttp2Server(options.tls, limits, {
      onSession: (session) => this.#addSession(session),
      onStream: (stream, headers) => this.#start(stream, headers),
    })
    this.#server.on('connection', (socket: Socket) => this.#connections.add(socket))
    this.#server.on('drop', () => this.#connections.refused())
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
      this.#server.setSecureContext({ ...tls, ...tlsRules })
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
    this.#connections.destroyAll()
    await this.#options.onDeadline()
    await Promise.all(this.#underWay)
    await closed
  }

  #addSession(session: ServerHttp2Session): void {
    const strangerTimer = setTimeout(
      () => session.destroy(),
      this.#options.limits.strangerMs,
    ).unref()
    const remote = session.socket.remoteAddress
    this.#sessions.set(session, { remote, isStranger: true, strangerTimer })
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
      const sender = machine ?? `stranger at ${addressGroup(session.socket.remoteAddress)}`
      if (!this.#requests.enter(sender)) return undefined
      stream.once('close', () => this.#requests.leave(sender))
      if (machine === undefined) return this.#strangerReply(session, headers)
      this.#admit(session, machine, headers)
      this.#windows.admit(session, stream)
      this.#unread.watch(stream)
      return await route(this.#context, machine, stream, headers)
    } catch (error) {
      return this.#failureReply(error)
    }
  }

  #admit(session: ServerHttp2Session, machine: MachineId, headers: IncomingHttpHeaders): void {
    const open = this.#sessions.get(session)
    if (open === undefined) return
    if (open.isStranger) {
      open.isStranger = false
      clearTimeout(open.strangerTimer)
      this.#connections.admitted(session.socket, machine)
    }
    // `longshore check` asks in passing, beside a daemon: only who uploads is a device at work.
    if (headers[':method'] === 'GET' || headers[':method'] === 'HEAD') return
    const shared = this.#instances.seen(machine, headers['longshore-instance'], open.remote)
    if (shared === undefined) return
    this.#options.log.warn(
      'machine_shared',
      `two devices take turns uploading as ${machine}: give one of them an id of its own (longshore receiver machine add)`,
      { machine, remotes: shared.remotes.join(', ') },
    )
  }

  #strangerReply(session: ServerHttp2Session, headers: IncomingHttpHeaders): Reply {
    const open = this.#sessions.get(session)
    const { reply, tooMany } = this.#failedAttempts.answer({
      remote: open?.remote,
      machine: parseBasicCredentials(headers.authorization)?.id,
    })
    // A request is cheap to send and a connection is not: who guesses has to make one for each.
    if (tooMany && open?.isStranger === true) session.close()
    return reply
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
