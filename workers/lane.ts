import type { Readable } from 'node:stream'
import { problemFrom } from '../src/wire/problem.ts'
import type { TransferFailure } from '../src/wire/transfer-failure.ts'
import { Connection } from './connection.ts'
import { failureOf, isGoingAway, isSessionGone, retryAfterMs, SessionGoneError } from './failure.ts'
import { request } from './undici-client.ts'
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

/** No answer of the receiver is nearly this long. */
const maxAnswerBytes = 1024 * 1024
/**
 * An answer that comes before the end of a streamed body leaves what was pending of it, up to 256 KiB,
 * in Node's account of the connection's memory, which ends at 10 MB: beyond that it sends no body any
 * more. So a connection is replaced in good time.
 */
const mostEarlyAnswers = 8

/**
 * A connection to the receiver at a time for one kind of requests: a new one takes over where the
 * receiver, or its own past, makes the old one unfit. Never uses abort signals or undici's own time
 * limits: on HTTP/2 they leak the stream or hang the thread.
 */
export class Lane {
  readonly #options: LaneOptions
  #connection: Connection | undefined
  #earlyAnswers = 0
  /** Replaced, and finishing what is under way on them. */
  readonly #retired = new Set<Connection>()

  constructor(options: LaneOptions) {
    this.#options = options
  }

  /** Nothing moves for longer than this before a connection is given up. */
  get stallMs(): number {
    return this.#options.stallMs
  }

  /**
   * Resolves with an answer of 200 or 204, or with what went wrong; never rejects. A Readable body is
   * destroyed here once the request has settled, and never before: it may be under way still where the
   * receiver did not wait for its end.
   */
  async send(message: LaneRequest): Promise<LaneAnswer | TransferFailure> {
    const connection = this.#connect()
    connection.begins()
    try {
      const { statusCode, headers, body } = await request(connection.client, {
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
      if (isUnfinished(message.body)) this.#answeredEarly(connection)
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
      if (isGoingAway(error)) this.#retire(connection)
      else if (isSessionGone(error)) void connection.destroy(new SessionGoneError())
      return failureOf(error)
    } finally {
      if (message.body !== null && 'destroy' in message.body) message.body.destroy()
      connection.ends()
    }
  }

  /** Gives all connections up with everything that is under way on them. */
  async destroy(reason: Error): Promise<void> {
    const all = this.#all()
    this.#connection = undefined
    this.#retired.clear()
    await Promise.all(all.map((connection) => connection.destroy(reason)))
  }

  /** Gives connections up whose own address this device has no longer. */
  dropLost(addresses: readonly string[]): void {
    for (const connection of this.#all()) connection.dropLost(addresses)
  }

  #all(): Connection[] {
    return [...this.#retired, ...(this.#connection === undefined ? [] : [this.#connection])]
  }

  #connect(): Connection {
    if (this.#connection?.isOver === false) return this.#connection
    const { address, caPem, stallMs } = this.#options
    const onGoingAway = () => this.#retire(connection)
    const connection = new Connection({ address, caPem, stallMs, onGoingAway })
    this.#connection = connection
    this.#earlyAnswers = 0
    return connection
  }

  #answeredEarly(connection: Connection): void {
    if (connection !== this.#connection) return
    this.#earlyAnswers += 1
    if (this.#earlyAnswers >= mostEarlyAnswers) this.#retire(connection)
  }

  /** What is under way on it may finish; whatever comes goes over a new connection. */
  #retire(connection: Connection): void {
    if (connection !== this.#connection) return
    this.#connection = undefined
    this.#retired.add(connection)
    connection.retire(() => this.#retired.delete(connection))
  }
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
