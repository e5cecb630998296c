import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { buildConnector as Connector, Client as UndiciClient } from 'undici'
import { problemFrom } from '../src/wire/problem.ts'
import type { TransferFailure } from '../src/wire/transfer-failure.ts'
import {
  AddressLostError,
  failureOf,
  isGoingAway,
  isSessionGone,
  NoHttp2Error,
  retryAfterMs,
  SessionGoneError,
  StalledError,
} from './failure.ts'
import { keepReading } from './keep-reading.ts'
import { buildConnector, Client, request } from './undici-client.ts'
import { type UploadFields, uploadFieldsOf } from './upload-fields.ts'

export interface LaneOptions {
  readonly address: string
  readonly authorization: string
  readonly caPem: string | undefined
  readonly stallMs: number
  /** Names this process, so that a receiver notices two devices that use one machine's id. */
  readonly instance?: string
}

export interface LaneRequest {
  readonly method: 'GET' | 'POST' | 'HEAD' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | Readable | null
}

export interface LaneAnswer {
  readonly status: 200 | 204
  readonly upload: UploadFields
  readonly contentType: string
  readonly body: Buffer
}

const connectTimeoutMs = 10_000
const keepAliveMs = 30_000
/** No answer of the receiver is nearly this long. */
const maxAnswerBytes = 1024 * 1024
const maxStreams = 100
/**
 * An answer that comes before the end of a streamed body leaves what was pending of it, up to 256 KiB,
 * in Node's account of the connection's memory, which ends at 10 MB: beyond that it sends no body any
 * more. So a connection is replaced in good time.
 */
const mostEarlyAnswers = 8
const lookEveryMs = 1000

/**
 * One HTTP/2 connection to the receiver, made when it is needed and made anew when it is lost. Never
 * uses abort signals or undici's own time limits: on HTTP/2 they leak the stream or hang the thread.
 * What does not move is ended by destroying the whole client, which is safe.
 */
export class Lane {
  readonly #options: LaneOptions
  #client: UndiciClient | undefined
  #earlyAnswers = 0
  /** Replaced, and finishing what is under way on them. */
  readonly #retired = new Set<UndiciClient>()
  /** Those of connections that the receiver wants to end are no longer the client's. */
  readonly #sockets = new Set<Socket>()
  #underWay = 0
  /** Changes whenever something moved. */
  #movedBytes = 0
  #lastMark = 0
  #lastMoveAtMs = 0
  #watch: NodeJS.Timeout | undefined

  constructor(options: LaneOptions) {
    this.#options = options
  }

  /** Body bytes were taken by the connection: it is alive. */
  moved(sizeBytes: number): void {
    this.#movedBytes += sizeBytes
  }

  /** Nothing moves for longer than this before the connection is given up. */
  get stallMs(): number {
    return this.#options.stallMs
  }

  /**
   * Resolves with an answer of 200 or 204, or with what went wrong; never rejects. A Readable body is
   * destroyed here once the request has settled, and never before: it may be under way still where the
   * receiver did not wait for its end.
   */
  async send(message: LaneRequest): Promise<LaneAnswer | TransferFailure> {
    this.#client ??= this.#connectLater()
    const client = this.#client
    this.#startWatching()
    try {
      const { statusCode, headers, body } = await request(client, {
        method: message.method,
        path: message.path,
        headers: {
          ...message.headers,
          authorization: this.#options.authorization,
          ...(this.#options.instance !== undefined && {
            'longshore-instance': this.#options.instance,
          }),
        },
        body: message.body,
      })
      const answer = await readAnswer(body)
      if (isUnfinished(message.body)) this.#answeredEarly(client)
      const contentType = textOf(headers['content-type'])
      const upload = uploadFieldsOf(headers)
      if (statusCode === 200 || statusCode === 204) {
        return { status: statusCode, upload, contentType, body: answer }
      }
      const problem = problemFrom(statusCode, contentType, answer.toString('utf8'))
      return {
        kind: 'refused',
        detail: problem.detail,
        status: statusCode,
        problemCode: problem.code,
        ...(upload.offset !== undefined && { uploadOffset: upload.offset }),
        ...retryAfterMs(textOf(headers['retry-after']), textOf(headers.date)),
      }
    } catch (error) {
      if (isGoingAway(error)) this.#retire(client)
      else if (isSessionGone(error) && this.#client === client) {
        void this.destroy(new SessionGoneError())
      }
      return failureOf(error)
    } finally {
      if (message.body !== null && 'destroy' in message.body) message.body.destroy()
      this.#stopWatching()
    }
  }

  /** Gives the connection up with everything that is under way on it. */
  async destroy(reason: Error): Promise<void> {
    const clients = [...this.#retired]
    if (this.#client !== undefined) clients.push(this.#client)
    this.#client = undefined
    this.#retired.clear()
    const destroyed = clients.map((client) => client.destroy(reason))
    for (const socket of this.#sockets) socket.destroy(reason)
    await Promise.all(destroyed)
  }

  /** Gives connections up whose own address this device has no longer: no answer will find the way. */
  dropLost(addresses: readonly string[]): void {
    for (const socket of this.#sockets) {
      const { localAddress } = socket
      if (localAddress === undefined || addresses.includes(plainAddress(localAddress))) continue
      socket.destroy(new AddressLostError(localAddress))
    }
  }

  #answeredEarly(client: UndiciClient): void {
    if (client !== this.#client) return
    this.#earlyAnswers += 1
    if (this.#earlyAnswers >= mostEarlyAnswers) this.#retire(client)
  }

  /** What is under way on it may finish; whatever comes goes over a new connection. */
  #retire(client: UndiciClient): void {
    if (client !== this.#client) return
    this.#client = undefined
    this.#retired.add(client)
    // Calls back as well when it was destroyed meanwhile.
    client.close(() => this.#retired.delete(client))
  }

  #connectLater(): UndiciClient {
    const { address, caPem } = this.#options
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
    this.#earlyAnswers = 0
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
    // A connection that the receiver wants to end, with requests under way: undici 8.12.4 makes no other
    // one before they are over.
    client.on('disconnect', () => {
      if (current?.destroyed === false) this.#retire(client)
    })
    return client
  }

  #startWatching(): void {
    this.#underWay += 1
    if (this.#underWay > 1) return
    this.#lastMoveAtMs = performance.now()
    const everyMs = Math.min(lookEveryMs, this.#options.stallMs / 4)
    this.#watch = setInterval(() => this.#look(), everyMs)
  }

  #stopWatching(): void {
    this.#underWay -= 1
    // Every request that settles is a sign of life.
    this.#movedBytes += 1
    if (this.#underWay === 0) clearInterval(this.#watch)
  }

  #look(): void {
    // The receiver's window updates come in as it takes bytes off the connection: they show movement
    // where a body was handed over in one piece.
    let mark = this.#movedBytes
    for (const { bytesRead } of this.#sockets) mark += bytesRead
    const nowMs = performance.now()
    if (mark !== this.#lastMark) {
      this.#lastMark = mark
      this.#lastMoveAtMs = nowMs
      return
    }
    for (const socket of this.#sockets) keepReading(socket)
    if (nowMs - this.#lastMoveAtMs >= this.#options.stallMs) {
      this.#lastMoveAtMs = nowMs
      void this.destroy(new StalledError(this.#options.stallMs))
    }
  }
}

/** As the system lists it: without the interface of a link-local one, IPv4 as such. */
function plainAddress(address: string): string {
  return address.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/, '')
}

function isUnfinished(body: LaneRequest['body']): boolean {
  return body !== null && 'readableEnded' in body && !body.readableEnded
}

async function readAnswer(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  let sizeBytes = 0
  for await (const piece of body) {
    sizeBytes += piece.length
    // Read to its end all the same: leaving it would abort the stream.
    if (sizeBytes <= maxAnswerBytes) pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

function textOf(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? ''
}
