import { readdirSync } from 'node:fs'
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2'
import { join } from 'node:path'
import type { BuiltMessage } from '../../support/message.ts'
import {
  type Answer,
  answerOf,
  ask,
  type RunningReceiver,
  until,
  uploadHeaders,
} from './receiver.ts'

/** One large upload of the machine `robot`, request by request, as a client of the draft makes them. */
export class ResumingClient {
  readonly #receiver: RunningReceiver
  readonly #message: BuiltMessage
  readonly #authorization: string
  session: ClientHttp2Session

  constructor(receiver: RunningReceiver, message: BuiltMessage, authorization = receiver.robot) {
    this.#receiver = receiver
    this.#message = message
    this.#authorization = authorization
    this.session = receiver.connect()
  }

  get path(): string {
    return `/v1/uploads/${this.#message.uploadId}`
  }

  reconnect(): void {
    this.session.destroy()
    this.session = this.#receiver.connect()
  }

  /** The whole message in one request. */
  post(more: OutgoingHttpHeaders = {}): Promise<Answer> {
    return ask(this.session, this.#postHeaders(more), this.#message.body)
  }

  /** A request that announces all of it and sends only the bytes up to `end`; still open. */
  begin(end: number, more: OutgoingHttpHeaders = {}): Begun {
    const stream = this.session.request(this.#postHeaders(more))
    const answer = answerOf(stream)
    stream.write(this.#message.body.subarray(0, end))
    return { stream, answer }
  }

  /** A request that announces all of the rest and sends only the bytes up to `end`; still open. */
  goOn(offset: number, end: number): Begun {
    const stream = this.session.request(this.#patchHeaders(offset, this.#message.body.length))
    const answer = answerOf(stream)
    stream.write(this.#message.body.subarray(offset, end))
    return { stream, answer }
  }

  /** All of the rest, or with `end` a part that is complete in itself. */
  patch(offset: number, end?: number, more: OutgoingHttpHeaders = {}): Promise<Answer> {
    const headers = this.#patchHeaders(offset, end ?? this.#message.body.length)
    const isLast = { 'upload-complete': end === undefined ? '?1' : '?0' }
    const body = this.#message.body.subarray(offset, end)
    return ask(this.session, { ...headers, ...isLast, ...more }, body)
  }

  ask(method: 'HEAD' | 'GET' | 'DELETE' | 'OPTIONS'): Promise<Answer> {
    const { path, session } = this
    const authorization = this.#authorization
    return ask(session, { ':method': method, ':path': path, authorization })
  }

  /** Resolves when the upload is known and all that was written to it is in the receiver's process. */
  async arrived({ stream }: Begun): Promise<void> {
    await until(() => stream.writableLength === 0)
    const segments = join(this.#receiver.dataDir, 'segments')
    await until(() => readdirSync(segments).some((name) => name.endsWith('.part')))
    const { session } = this
    // An answer to a PING comes after everything before it has been read.
    await new Promise<void>((resolve) => session.ping(() => resolve()))
  }

  /** What HEAD says. */
  async offset(): Promise<number | undefined> {
    const { headers } = await this.ask('HEAD')
    const offset = headers['upload-offset']
    return offset === undefined ? undefined : Number(offset)
  }

  #postHeaders(more: OutgoingHttpHeaders): OutgoingHttpHeaders {
    const headers = uploadHeaders(this.#authorization, this.#message)
    return { ...headers, 'upload-complete': '?1', ...more }
  }

  #patchHeaders(offset: number, end: number): OutgoingHttpHeaders {
    return {
      ':method': 'PATCH',
      ':path': this.path,
      authorization: this.#authorization,
      'content-type': 'application/partial-upload',
      'content-length': end - offset,
      'upload-offset': offset,
      'upload-complete': '?1',
    }
  }
}

export interface Begun {
  readonly stream: ClientHttp2Stream
  readonly answer: Promise<Answer | undefined>
}
