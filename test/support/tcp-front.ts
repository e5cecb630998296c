import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * Passes connections on to servers of this process, so that their sockets can be reset: one that
 * carries TLS itself cannot be.
 */
export class TcpFront {
  readonly #server: Server
  /** By the port that the server behind sees. */
  readonly #devices = new Map<number, Socket>()
  readonly #sockets = new Set<Socket>()

  /** @param serverFor - Who gets the next connection; undefined: it is closed at its first bytes. */
  constructor(serverFor: () => Server | undefined) {
    this.#server = createServer((device) => this.#join(device, serverFor()))
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  get port(): number {
    return portOf(this.#server)
  }

  /** Connections that stand now. */
  get connections(): number {
    return this.#devices.size
  }

  /** Takes away the connection that the server behind sees with this port. */
  kill(port: number, by: 'fin' | 'rst'): void {
    const device = this.#devices.get(port)
    if (by === 'fin') device?.destroySoon()
    else device?.resetAndDestroy()
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #join(device: Socket, server: Server | undefined): void {
    this.#keep(device)
    if (server === undefined) {
      device.once('data', () => device.destroy())
      return
    }
    const behind = connect(portOf(server), '127.0.0.1')
    this.#keep(behind)
    behind.once('connect', () => {
      const port = behind.localPort ?? 0
      this.#devices.set(port, device)
      device.once('close', () => this.#devices.delete(port))
      device.pipe(behind).pipe(device)
    })
    device.once('close', () => behind.destroy())
    behind.once('close', () => device.destroySoon())
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
