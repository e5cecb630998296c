import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Passes TCP connections on to a port of this machine and counts what they carry, both ways. */
export class CountingProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #bytes = 0

  private constructor(toPort: number) {
    this.#server = createServer((near) => this.#join(near, connect(toPort, '127.0.0.1')))
  }

  static async open(toPort: number): Promise<CountingProxy> {
    const proxy = new CountingProxy(toPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Payload of TCP: TLS and everything inside it, without the headers of TCP and IP. */
  get bytes(): number {
    return this.#bytes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from)
      from.setNoDelay(true)
      from.on('data', (bytes) => {
        this.#bytes += bytes.length
      })
      from.on('error', () => to.destroy())
      from.on('close', () => this.#sockets.delete(from))
      from.pipe(to)
    }
  }
}
