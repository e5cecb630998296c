import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'

/** RFC 9113 section 6. */
export const frameTypes = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const flags = { endStream: 1, ack: 1, endHeaders: 4 } as const

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

export function encodeFrame(
  type: number,
  flagBits: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flagBits
  head.writeUInt32BE(streamId, 5)
  return Buffer.concat([head, payload])
}

/** A header block of literals without indexing (RFC 7541 section 6.2.2): no table, no Huffman. */
export function encodeHeaders(headers: Readonly<Record<string, string | number>>): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value, 'latin1')
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
    const size: number[] = [127]
    let rest = bytes.length - 127
    for (; rest >= 128; rest >>= 7) size.push((rest & 127) | 128)
    return Buffer.concat([Buffer.from([...size, rest]), bytes])
  }
  const fields = Object.entries(headers).map(([name, value]) =>
    Buffer.concat([Buffer.from([0]), text(name), text(String(value))]),
  )
  return Buffer.concat(fields)
}

/** A peer that says over TLS whatever a test wants, and keeps to no rule by itself. */
export class RawHttp2 {
  readonly socket: TLSSocket
  readonly frames: Frame[] = []
  isClosed = false
  #held = Buffer.alloc(0)

  private constructor(socket: TLSSocket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
    })
    socket.on('data', (bytes) => this.#onData(bytes))
  }

  /** Connected, with preface and empty SETTINGS sent; those of the server are not acknowledged. */
  static async connect(t: TestContext, port: number, caPem: string): Promise<RawHttp2> {
    const socket = connect({
      port,
      host: 'localhost',
      ca: caPem,
      ALPNProtocols: ['h2'],
    })
    const raw = new RawHttp2(socket)
    t.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    raw.send(frameTypes.settings, 0, 0)
    return raw
  }

  send(type: number, flagBits: number, streamId: number, payload?: Buffer): void {
    this.socket.write(encodeFrame(type, flagBits, streamId, payload))
  }

  acknowledgeSettings(): void {
    this.send(frameTypes.settings, flags.ack, 0)
  }

  openStream(streamId: number, headers: Readonly<Record<string, string | number>>): void {
    this.send(frameTypes.headers, flags.endHeaders, streamId, encodeHeaders(headers))
  }

  /** The frames of one stream and type that have arrived so far. */
  received(type: number, streamId?: number): Frame[] {
    return this.frames.filter(
      (frame) => frame.type === type && (streamId === undefined || frame.streamId === streamId),
    )
  }

  #onData(bytes: Buffer): void {
    this.#held = Buffer.concat([this.#held, bytes])
    while (this.#held.length >= 9) {
      const size = this.#held.readUIntBE(0, 3)
      if (this.#held.length < 9 + size) return
      this.frames.push({
        type: this.#held[3]!,
        flags: this.#held[4]!,
        streamId: this.#held.readUInt32BE(5) & 0x7fff_ffff,
        payload: Buffer.from(this.#held.subarray(9, 9 + size)),
      })
      this.#held = this.#held.subarray(9 + size)
    }
  }
}

export function uploadRequest(
  authorization: string,
  contentLength: number,
): Record<string, string | number> {
  return {
    ':method': 'POST',
    ':path': '/v1/uploads',
    ':scheme': 'https',
    ':authority': 'localhost',
    authorization,
    'content-type': 'multipart/form-data; boundary=b',
    'content-length': contentLength,
  }
}
