import type { Socket } from 'node:net'
import type { buildConnector as Connector, Client as UndiciClient } from 'undici'
import { AddressLostError, NoHttp2Error, StalledError } from './failure.ts'
import { keepReading } from './keep-reading.ts'
import { buildConnector, Client } from './undici-client.ts'

export interface ConnectionOptions {
  readonly address: string
  readonly caPem: string | undefined
  /** Nothing moves for longer than this before it is given up. */
  readonly stallMs: number
  /** The receiver wants to end it, and may yet answer what is under way. */
  readonly onGoingAway: () => void
}

const connectTimeoutMs = 10_000
const keepAliveMs = 30_000
const maxStreams = 100
const lookEveryMs = 1000

/**
 * One HTTP/2 connection to the receiver, made when it is needed and anew when it was lost, until it is
 * retired or destroyed. What does not move is ended by destroying the whole client, which is safe.
 */
export class Connection {
  readonly client: UndiciClient
  readonly #stallMs: number
  /** Those of sessions that the receiver wants to end are no longer the client's. */
  readonly #sockets = new Set<Socket>()
  #isOver = false
  #underWay = 0
  #settled = 0
  #lastMark = 0
  #lastMoveAtMs = 0
  #watch: NodeJS.Timeout | undefined

  constructor(options: ConnectionOptions) {
    this.#stallMs = options.stallMs
    this.client = this.#connectLater(options)
  }

  /** True once it was destroyed, by whomever. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** A request begins. */
  begins(): void {
    this.#underWay += 1
    if (this.#underWay > 1) return
    this.#lastMoveAtMs = performance.now()
    this.#watch = setInterval(() => this.#look(), Math.min(lookEveryMs, this.#stallMs / 4))
  }

  /** A request has settled. */
  ends(): void {
    this.#underWay -= 1
    // A sign of life.
    this.#settled += 1
    if (this.#underWay === 0) clearInterval(this.#watch)
  }

  /** Takes no more requests. What is under way may finish; `onOver` is told when it has. */
  retire(onOver: () => void): void {
    // Calls back as well when it was destroyed meanwhile.
    this.client.close(onOver)
  }

  /** Ends everything that is under way. */
  async destroy(reason: Error): Promise<void> {
    this.#isOver = true
    const destroyed = this.client.destroy(reason)
    for (const socket of this.#sockets) socket.destroy(reason)
    await destroyed
  }

  /** Ends what goes out from an address that is none of these: no answer will find the way. */
  dropLost(addresses: readonly string[]): void {
    for (const socket of this.#sockets) {
      const { localAddress } = socket
      if (localAddress === undefined || addresses.includes(plainAddress(localAddress))) continue
      socket.destroy(new AddressLostError(localAddress))
    }
  }

  #connectLater({ address, caPem, onGoingAway }: ConnectionOptions): UndiciClient {
    const isTls = address.startsWith('https:')
    // useH2c (HTTP/2 by prior knowledge) is missing in undici's types of the connector.
    const connectorOptions: Connector.BuildOptions & { useH2c: boolean } = {
      allowH2: true,
      preferH2: true,
      useH2c: !isTls,
      timeout: connectTimeoutMs,
      ...(caPem !== undefined && { ca: caPem }),
    }
    const connect = buildConnector(connectorOptions)
    let current: Socket | undefined
    const client = new Client(address, {
      allowH2: true,
      maxConcurrentStreams: maxStreams,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveMs,
      connect: (options, callback) => {
        connect(options, (error, socket) => {
          if (error !== null) return callback(error, null)
          if ((socket as { alpnProtocol?: unknown }).alpnProtocol !== 'h2') {
            socket.destroy()
            return callback(new NoHttp2Error(), null)
          }
          current = socket
          this.#sockets.add(socket)
          socket.once('close', () => this.#sockets.delete(socket))
          callback(null, socket)
        })
      },
    })
    // With requests under way undici 8.12.4 makes no other session before they are over.
    client.on('disconnect', () => {
      if (current?.destroyed === false) onGoingAway()
    })
    return client
  }

  #look(): void {
    let mark = this.#settled
    // Window updates come in as the receiver takes bytes off the connection: they show movement where
    // a body was handed over in one piece.
    for (const { bytesRead, bytesWritten } of this.#sockets) mark += bytesRead + bytesWritten
    const nowMs = performance.now()
    if (mark !== this.#lastMark) {
      this.#lastMark = mark
      this.#lastMoveAtMs = nowMs
      return
    }
    for (const socket of this.#sockets) keepReading(socket)
    if (nowMs - this.#lastMoveAtMs >= this.#stallMs) {
      this.#lastMoveAtMs = nowMs
      void this.destroy(new StalledError(this.#stallMs))
    }
  }
}

/** As the system lists it: without the interface of a link-local one, IPv4 as such. */
function plainAddress(address: string): string {
  return address.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/, '')
}
