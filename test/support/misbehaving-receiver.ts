import { once } from 'node:events'
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { createServer as createWebServer, type Server as WebServer } from 'node:https'
import { protocolVersion } from '../../src/wire/limits.ts'
import { encodeOutcomes, type Outcome } from '../../src/wire/outcome.ts'
import { answer, pourForever, whenRead } from './bad-stream.ts'
import { HonestReading, HonestStore, type StoredEntry } from './honest-store.ts'
import type { Answer, Handshake, Misbehaviour } from './misbehaviour.ts'
import { TcpFront } from './tcp-front.ts'
import { makeTestCertificate } from './test-certificate.ts'

/*
 * The other end as it should not be: real HTTP/2 over real TLS, with a certificate of its own CA. It
 * believes everybody and, unless told otherwise, reads uploads, checks them and answers `stored`.
 *
 *   const bad = await MisbehavingReceiver.start()
 *   t.after(() => bad.close())
 *   // the device: app_address bad.address, ca_pem bad.caPem, any id and secret
 *   bad.next(problem(503, 'busy', { 'retry-after': '1' }), { does: 'reset', code: 7 })
 *        the next two uploads (POST or PATCH) are answered so, all later ones well
 *   bad.every({ does: 'silence', readsBody: true })      all, until bad.every(undefined)
 *   bad.next({ does: 'outcomes', change: (truth) => truth.slice(1) })   one outcome too few
 *   bad.nextOf('HEAD', problem(500, 'internal'))         another method
 *   bad.handshake = 'closed'                             new connections are hung up on
 *   bad.seen, bad.files                                  what was asked, and what arrived whole
 *
 * It keeps no unfinished uploads: HEAD, PATCH and DELETE of one get 404, which sends a device back to
 * its first byte. What misbehaviours there are: misbehaviour.ts.
 */

/** One request, in the order in which they came. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly misbehaviour: Misbehaviour | undefined
  /** Of its body, so far. */
  bodyBytes: number
  /** True when its stream is gone. */
  closed: boolean
}

const page = '<html><body>It works.</body></html>'

export class MisbehavingReceiver {
  readonly caPem: string
  readonly seen: SeenRequest[] = []
  handshake: Handshake = 'http2'
  readonly #store = new HonestStore()
  readonly #front: TcpFront
  readonly #http2: Http2SecureServer
  readonly #web: WebServer
  readonly #next = new Map<string, Misbehaviour[]>()
  #every: Misbehaviour | undefined

  private constructor(tls: {
    readonly caPem: string
    readonly cert: string
    readonly key: string
  }) {
    this.caPem = tls.caPem
    // As many SETTINGS as it is told to send, without waiting for the device.
    const options = { ...tls, maxOutstandingSettings: 1_000_000 }
    this.#http2 = createSecureServer(options)
    this.#http2.on('stream', (stream, headers) => this.#onStream(stream, headers))
    this.#http2.on('sessionError', () => {})
    this.#web = createWebServer(tls, (_, response) => response.end(page))
    for (const server of [this.#http2, this.#web]) server.on('tlsClientError', () => {})
    this.#front = new TcpFront(() => {
      if (this.handshake === 'closed') return undefined
      return this.handshake === 'http1' ? this.#web : this.#http2
    })
  }

  static async start(): Promise<MisbehavingReceiver> {
    const receiver = new MisbehavingReceiver(await makeTestCertificate({ names: ['localhost'] }))
    for (const server of [receiver.#http2, receiver.#web]) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
    await receiver.#front.listen()
    return receiver
  }

  get port(): number {
    return this.#front.port
  }

  get address(): string {
    return `https://localhost:${this.port}`
  }

  /** The uploads among what was seen, both `POST` and `PATCH`. */
  get uploads(): readonly SeenRequest[] {
    return this.seen.filter(({ method }) => method === 'POST' || method === 'PATCH')
  }

  /** What arrived whole, whatever was answered. */
  get files(): readonly StoredEntry[] {
    return this.#store.files
  }

  get openConnections(): number {
    return this.#front.connections
  }

  /** What it does with the next uploads, one after another. */
  next(...misbehaviours: readonly Misbehaviour[]): void {
    this.nextOf('upload', ...misbehaviours)
  }

  /** The same for requests with another method. */
  nextOf(method: string, ...misbehaviours: readonly Misbehaviour[]): void {
    this.#next.set(method, [...(this.#next.get(method) ?? []), ...misbehaviours])
  }

  /** What it does with all uploads for which `next` says nothing. */
  every(misbehaviour: Misbehaviour | undefined): void {
    this.#every = misbehaviour
  }

  async close(): Promise<void> {
    const closed = [this.#http2, this.#web].map((server) => once(server, 'close'))
    this.#http2.close()
    this.#web.close()
    await this.#front.close()
    await Promise.all(closed)
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const method = headers[':method'] ?? ''
    const isUpload = method === 'POST' || method === 'PATCH'
    const misbehaviour =
      this.#next.get(isUpload ? 'upload' : method)?.shift() ?? (isUpload ? this.#every : undefined)
    const path = headers[':path'] ?? ''
    const seen = { method, path, headers, misbehaviour, bodyBytes: 0, closed: false }
    this.seen.push(seen)
    stream.on('error', () => {})
    stream.on('close', () => {
      seen.closed = true
    })
    if (misbehaviour === undefined) this.#serve(stream, seen)
    else this.#misbehave(stream, seen, misbehaviour)
  }

  #misbehave(stream: ServerHttp2Stream, seen: SeenRequest, how: Misbehaviour): void {
    const session = stream.session
    if (session === undefined) return
    switch (how.does) {
      case 'answer':
        if (how.early !== true) return whenRead(stream, seen, () => answer(stream, how))
        answer(stream, how)
        return whenRead(stream, seen, () => {})
      case 'outcomes':
        return this.#serve(stream, seen, how.change)
      case 'reset':
        return whenRead(stream, seen, () => stream.close(how.code), how.afterBytes ?? 0)
      case 'goaway':
        session.goaway(how.code, how.lastStreamId)
        if (how.then === 'answers') this.#serve(stream, seen)
        else whenRead(stream, seen, () => {})
        return
      case 'silence':
        if (how.readsBody) whenRead(stream, seen, () => {})
        return
      case 'endless':
        return whenRead(stream, seen, () => pourForever(stream))
      case 'death':
        return whenRead(stream, seen, () => this.#die(session, how.by), how.afterBytes)
      case 'last_words':
        stream.on('close', () => session.close())
        return this.#serve(stream, seen)
      case 'settings_flood':
        for (let n = 0; n < how.frames; n += 1) session.settings({ enablePush: false })
        return this.#serve(stream, seen)
      default:
        return how satisfies never
    }
  }

  /** Does what a receiver should. */
  #serve(
    stream: ServerHttp2Stream,
    seen: SeenRequest,
    change: (truth: readonly Outcome[]) => readonly Outcome[] = (truth) => truth,
  ): void {
    if (seen.path === '/v1/machine') return answer(stream, aboutMachine)
    if (seen.method !== 'POST' || seen.path !== '/v1/uploads') {
      return whenRead(stream, seen, () => answer(stream, notFound))
    }
    const reading = new HonestReading(this.#store, seen.headers['content-type'] ?? '')
    const declaredBytes = Number(seen.headers['content-length'])
    const onRead = () => {
      const outcomes = reading.finish()
      if (outcomes === undefined) return stream.close(constants.NGHTTP2_PROTOCOL_ERROR)
      const headers = { 'content-type': 'application/vnd.msgpack', 'upload-complete': '?1' }
      answer(stream, {
        does: 'answer',
        status: 200,
        headers,
        body: encodeOutcomes(change(outcomes)),
      })
    }
    whenRead(stream, seen, onRead, declaredBytes, (bytes) => reading.push(bytes))
  }

  /** Takes the connection of a session away. */
  #die(session: Http2Session, by: 'fin' | 'rst'): void {
    this.#front.kill(session.socket?.remotePort ?? 0, by)
  }
}

const aboutMachine: Answer = {
  does: 'answer',
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    machine: 'robot',
    receiver: '0.0.0',
    protocol: protocolVersion,
    store: 'folder',
    free_bytes: 1e12,
    total_bytes: 1e12,
  }),
}

const notFound: Answer = { does: 'answer', status: 404 }
