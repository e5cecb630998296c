import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type HandOn, LinkLane, type Wire } from './link-lane.ts'
import { type CutKind, type Direction, type LinkState, noFaults } from './link-state.ts'
import { resetSocket } from './reset-socket.ts'
import { SeededRandom } from './seeded-random.ts'

/*
 * A port of loopback that leads to another one over a link that does what bad links do. `up` is what
 * the device sends, `down` what the receiver sends; counts are payload of TCP, TLS included.
 *
 *   const link = await FaultyLink.open(receiver.port, { delayMs: 40, upBytesPerSecond: 250_000 })
 *   t.after(() => link.close())
 *   // the device talks to https://localhost:${link.port}
 *   link.set({ cut: { afterUpBytes: 3_000_000, by: 'rst', times: 1 } })
 *   link.cutAll('fin')               every connection, now
 *   link.blackHole()                 bytes are taken and gone; so are, for good, the connections that
 *                                    sent some: what a changed network does. blackHole('down') is half
 *   link.set({ upBytesPerSecond: 0 })  an outage: all waits, and goes on after heal()
 *   link.set({ upBytesPerSecond: 1000 })  a receiver that reads slowly
 *   link.set({ corrupt: { atUpByte: 5000, times: 1 } })   TLS notices
 *   link.refuse()                    connections are refused; those that stand go on
 *   link.set({ toPort })             where new connections lead: a receiver that was started again
 *   await link.heal()                no more faults, and accepts connections again
 */

interface Connection {
  readonly near: Socket
  readonly far: Socket
  readonly lanes: readonly LinkLane[]
}

export class FaultyLink implements AsyncDisposable {
  readonly #random: SeededRandom
  readonly #connections = new Set<Connection>()
  readonly #up = newWire()
  readonly #down = newWire()
  #state: LinkState
  #server: Server | undefined
  #port = 0
  #accepted = 0
  #cuts = 0
  #corrupted = 0
  #cutsLeft = 0
  #corruptionsLeft = 0

  private constructor(toPort: number, random: SeededRandom) {
    this.#random = random
    this.#state = { toPort, ...noFaults }
  }

  /** @param random - Decides about jitter. */
  static async open(
    toPort: number,
    state: Partial<LinkState> = {},
    random = new SeededRandom(1),
  ): Promise<FaultyLink> {
    const link = new FaultyLink(toPort, random)
    link.set(state)
    await link.#listen()
    return link
  }

  get port(): number {
    return this.#port
  }

  get upBytes(): number {
    return this.#up.passedBytes
  }

  get downBytes(): number {
    return this.#down.passedBytes
  }

  /** Taken and not passed on, both ways. */
  get lostBytes(): number {
    return this.#up.lostBytes + this.#down.lostBytes
  }

  /** Accepted since the start. */
  get connections(): number {
    return this.#accepted
  }

  /** Those of which at least one end is still there. */
  get openConnections(): number {
    return this.#connections.size
  }

  /** Connections cut so far, by whatever call. */
  get cuts(): number {
    return this.#cuts
  }

  get corrupted(): number {
    return this.#corrupted
  }

  /** What is not named stays as it is. */
  set(change: Partial<LinkState>): void {
    this.#state = { ...this.#state, ...change }
    const { delayMs, jitterMs, upBytesPerSecond, downBytesPerSecond, cut, corrupt } = this.#state
    if ('cut' in change) this.#cutsLeft = cut === undefined ? 0 : (cut.times ?? Infinity)
    if ('corrupt' in change) {
      this.#corruptionsLeft = corrupt === undefined ? 0 : (corrupt.times ?? Infinity)
    }
    const freeAtMs = performance.now()
    Object.assign(this.#up, { delayMs, jitterMs, bytesPerSecond: upBytesPerSecond, freeAtMs })
    Object.assign(this.#down, { delayMs, jitterMs, bytesPerSecond: downBytesPerSecond, freeAtMs })
    for (const { lanes } of this.#connections) for (const lane of lanes) lane.wireChanged()
  }

  /** Bytes are taken and gone, until `heal`. A connection that loses some is deaf for good. */
  blackHole(directions: readonly Direction[] = ['up', 'down']): void {
    this.#up.swallows = directions.includes('up')
    this.#down.swallows = directions.includes('down')
  }

  cutAll(by: CutKind): void {
    for (const connection of this.#connections) this.#cut(connection, by)
  }

  /** Stops to listen. Connections that stand go on. */
  refuse(): void {
    const server = this.#server
    this.#server = undefined
    server?.close()
  }

  /** Ends every fault but the connections that are lost. Where it leads to stays. */
  async heal(): Promise<void> {
    this.blackHole([])
    this.set(noFaults)
    if (this.#server === undefined) await this.#listen()
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    const closed = server === undefined ? undefined : once(server, 'close')
    server?.close()
    for (const { near, far } of this.#connections) {
      near.destroy()
      far.destroy()
    }
    await closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => this.#join(near))
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
  }

  #join(near: Socket): void {
    this.#accepted += 1
    const far = connect({ port: this.#state.toPort, host: '127.0.0.1', allowHalfOpen: true })
    far.setNoDelay(true)
    const handOn: HandOn = (bytes, offset, pass) => this.#handOn(connection, bytes, offset, pass)
    const connection: Connection = {
      near,
      far,
      lanes: [
        new LinkLane(near, far, this.#up, this.#random, handOn),
        new LinkLane(far, near, this.#down, this.#random),
      ],
    }
    this.#connections.add(connection)
    for (const socket of [near, far]) {
      // Its lane hands on what became of it.
      socket.on('error', () => {})
      socket.on('close', () => {
        if (near.destroyed && far.destroyed) this.#connections.delete(connection)
      })
    }
  }

  #handOn(
    connection: Connection,
    bytes: Buffer,
    offset: number,
    pass: (bytes: Buffer) => void,
  ): void {
    const { cut, corrupt } = this.#state
    let passed = bytes
    const at = corrupt === undefined ? -1 : corrupt.atUpByte - offset
    if (at >= 0 && at < bytes.length && this.#corruptionsLeft > 0) {
      this.#corruptionsLeft -= 1
      this.#corrupted += 1
      passed = Buffer.from(bytes)
      passed[at]! ^= 1
    }
    const isCut =
      cut !== undefined && this.#cutsLeft > 0 && offset + bytes.length >= cut.afterUpBytes
    if (!isCut) return pass(passed)
    this.#cutsLeft -= 1
    pass(passed.subarray(0, Math.max(0, cut.afterUpBytes - offset)))
    this.#cut(connection, cut.by)
  }

  #cut({ near, far, lanes }: Connection, by: CutKind): void {
    this.#cuts += 1
    for (const lane of lanes) lane.deafen()
    for (const socket of [near, far]) {
      if (by === 'rst') resetSocket(socket)
      else socket.end()
    }
  }
}

function newWire(): Wire {
  return {
    delayMs: 0,
    jitterMs: 0,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    swallows: false,
    freeAtMs: 0,
    passedBytes: 0,
    lostBytes: 0,
  }
}
