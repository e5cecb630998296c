import type { Socket } from 'node:net'
import type { Log } from '../../telemetry/log.ts'
import { ConnectionShares } from './connection-shares.ts'
import type { ServerLimits } from './limits.ts'
import { LogLimiter } from './log-limiter.ts'

export interface ConnectionsOptions {
  readonly limits: Pick<ServerLimits, 'connections' | 'strangers' | 'connectionsPerMachine'>
  readonly log: Log
  readonly monotonicMs: () => number
}

type Peer = Pick<Socket, 'remoteAddress' | 'remotePort'>

const logEveryMs = 60_000

/** All connections, also those whose handshake never ends. Who takes more than its share loses one. */
export class Connections {
  readonly #options: ConnectionsOptions
  readonly #shares: ConnectionShares
  readonly #log: LogLimiter
  readonly #sockets = new Map<string, Socket>()

  constructor(options: ConnectionsOptions) {
    const { strangers, connectionsPerMachine } = options.limits
    this.#options = options
    this.#shares = new ConnectionShares({
      maxStrangers: strangers,
      maxPerMachine: connectionsPerMachine,
    })
    this.#log = new LogLimiter(options.monotonicMs, logEveryMs)
  }

  /** Just accepted; until it closes. */
  add(socket: Socket): void {
    // Reset before it was accepted: it has no address any more.
    if (socket.remoteAddress === undefined) {
      socket.destroy()
      return
    }
    const key = keyOf(socket)
    this.#sockets.set(key, socket)
    socket.once('close', () => {
      if (this.#sockets.get(key) !== socket) return
      this.#sockets.delete(key)
      this.#shares.left(key)
    })
    const { strangers } = this.#options.limits
    this.#drop(
      this.#shares.arrived(key, socket.remoteAddress),
      `on more than ${strangers} connections nobody has shown who it is`,
    )
  }

  /** The sender on this connection has shown that it is this machine. */
  admitted(peer: Peer, machine: string): void {
    const { connectionsPerMachine } = this.#options.limits
    this.#drop(
      this.#shares.admitted(keyOf(peer), machine),
      `${machine} has more than ${connectionsPerMachine} connections`,
    )
  }

  /** One was not even accepted. */
  refused(): void {
    this.#report(`there are ${this.#options.limits.connections} already`)
  }

  destroyAll(): void {
    for (const socket of this.#sockets.values()) socket.destroy()
  }

  #drop(key: string | undefined, reason: string): void {
    if (key === undefined) return
    this.#report(reason)
    this.#sockets.get(key)?.destroy()
  }

  #report(reason: string): void {
    const leftOut = this.#log.admit()
    if (leftOut === undefined) return
    this.#options.log.warn('connection_dropped', `a connection was dropped: ${reason}`, {
      open: this.#sockets.size,
      ...(leftOut > 0 && { left_out: leftOut }),
    })
  }
}

/** The same for a connection's socket and for what speaks TLS or HTTP/2 on it. */
function keyOf({ remoteAddress, remotePort }: Peer): string {
  return `${remoteAddress} ${remotePort}`
}
