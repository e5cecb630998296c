import { once } from 'node:events'
import {
  createSecureServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { blake3, type Digest } from '../../src/base/hash.ts'
import { decodeManifest } from '../../src/wire/manifest-codec.ts'
import { boundaryOf, filePartHead } from '../../src/wire/multipart-layout.ts'
import { encodeOutcomes, type Outcome } from '../../src/wire/outcome.ts'
import { problemAsJson, problemContentType } from '../../src/wire/problem.ts'
import { makeTestCertificate } from './test-certificate.ts'

/** How a request comes to nothing. `fin`: the connection ends cleanly, in the middle of a body. */
export type Break = 'reset' | 'session' | 'fin'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  /** Where its body stands in the message. */
  readonly fromByte: number
  receivedBytes: number
}

interface Upload {
  readonly lengthBytes: number
  readonly contentType: string
  received: Buffer
  outcome: Outcome | undefined
  /** The request that brings its body. */
  stream: ServerHttp2Stream | undefined
}

/**
 * Uploads of one file each, as a receiver takes them, in memory over TLS: the whole protocol of resumed
 * uploads, and every way in which they break.
 */
export class ResumableServer {
  readonly uploads = new Map<Digest, Upload>()
  readonly requests: SeenRequest[] = []
  /** Connections so far. */
  connections = 0
  readonly address: string
  readonly caPem: string
  readonly #server: ReturnType<typeof createSecureServer>
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #sockets = new Set<Socket>()
  #breaks: { readonly atByte: number; readonly how: Break }[] = []
  #losesAnswer = false
  #refusesDigests = false
  /** Every offset is wrong, whatever it is. */
  #neverAgrees = false

  private constructor(server: ReturnType<typeof createSecureServer>, caPem: string) {
    this.#server = server
    this.caPem = caPem
    this.address = `https://localhost:${(server.address() as AddressInfo).port}`
    server.on('session', (session) => {
      this.connections += 1
      this.#sessions.add(session)
      session.on('error', () => {})
      session.on('close', () => this.#sessions.delete(session))
    })
    server.on('secureConnection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {})
      this.#onStream(stream, headers)
    })
  }

  static async start(): Promise<ResumableServer> {
    const { caPem, cert, key } = await makeTestCertificate({ names: ['localhost'] })
    const server = createSecureServer({ cert, key })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new ResumableServer(server, caPem)
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) session.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** The next body that reaches this byte of its message ends there; nothing behind it is kept. */
  breakAt(atByte: number, how: Break): void {
    this.#breaks.push({ atByte, how })
  }

  /** The next upload that arrives whole is stored, and its answer lost with the connection. */
  loseNextAnswer(): void {
    this.#losesAnswer = true
  }

  /** The next upload that arrives whole is forgotten but for its first byte, and has to be sent again. */
  refuseNextDigests(): void {
    this.#refusesDigests = true
  }

  neverAgree(): void {
    this.#neverAgrees = true
  }

  /** As `METHOD fromByte`, in order. */
  seen(): string[] {
    return this.requests.map(({ method, fromByte }) => `${method} ${fromByte}`)
  }

  /** The only upload there is. */
  only(): Upload {
    const [upload] = this.uploads.values()
    if (upload === undefined || this.uploads.size > 1) throw new Error('not exactly one upload')
    return upload
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const method = headers[':method'] as string
    const path = headers[':path'] as string
    const fromByte = Number(headers['upload-offset'] ?? 0)
    const request = { method, path, fromByte, receivedBytes: 0 }
    this.requests.push(request)
    if (method === 'POST') this.#post(stream, headers, request)
    else this.#onResource(stream, headers, request)
  }

  #post(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, request: SeenRequest): void {
    const id = /^"([0-9a-f]{64})"$/.exec(String(headers['idempotency-key']))?.[1]
    if (id === undefined || headers['upload-complete'] !== '?1') return badRequest(stream)
    const known = this.uploads.get(id)
    if (known?.outcome !== undefined) return sendOutcome(stream, known.outcome)
    if (known !== undefined) {
      const location = { location: `/v1/uploads/${id}` }
      return sendProblem(stream, 409, 'upload_unfinished', {
        ...location,
        ...this.#fieldsOf(known),
      })
    }
    const upload: Upload = {
      lengthBytes: Number(headers['content-length']),
      contentType: String(headers['content-type']),
      received: Buffer.alloc(0),
      outcome: undefined,
      stream: undefined,
    }
    this.uploads.set(id, upload)
    this.#take(stream, id, upload, request)
  }

  #onResource(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, request: SeenRequest): void {
    const id = /^\/v1\/uploads\/([0-9a-f]{64})$/.exec(request.path)?.[1] ?? ''
    const upload = this.uploads.get(id)
    if (upload === undefined) return sendProblem(stream, 404, 'not_found')
    if (request.method !== 'GET') endOlder(upload)
    switch (request.method) {
      case 'DELETE':
        this.uploads.delete(id)
        return send(stream, 204)
      case 'HEAD':
        return send(stream, 204, this.#fieldsOf(upload))
      case 'GET':
        if (upload.outcome !== undefined) return sendOutcome(stream, upload.outcome)
        return send(stream, 204, this.#fieldsOf(upload))
      case 'PATCH':
        return this.#patch(stream, headers, id, upload, request)
      default:
        return sendProblem(stream, 405, 'method_not_allowed')
    }
  }

  #patch(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    id: Digest,
    upload: Upload,
    request: SeenRequest,
  ): void {
    const { fromByte } = request
    if (headers['content-type'] !== 'application/partial-upload') return badRequest(stream)
    if (upload.outcome !== undefined) return sendOutcome(stream, upload.outcome)
    if (fromByte !== upload.received.length || this.#neverAgrees) {
      return sendProblem(stream, 409, 'mismatching_upload_offset', this.#fieldsOf(upload))
    }
    if (fromByte + Number(headers['content-length']) !== upload.lengthBytes) {
      return sendProblem(stream, 400, 'inconsistent_upload_length')
    }
    this.#take(stream, id, upload, request)
  }

  #take(stream: ServerHttp2Stream, id: Digest, upload: Upload, request: SeenRequest): void {
    upload.stream = stream
    const pieces = [upload.received]
    let sizeBytes = upload.received.length
    const keep = (bytes: number) => {
      upload.received = Buffer.concat(pieces).subarray(0, bytes)
    }
    stream.on('data', (piece: Buffer) => {
      if (stream.destroyed) return
      pieces.push(piece)
      sizeBytes += piece.length
      request.receivedBytes += piece.length
      const planned = this.#breaks[0]
      if (planned === undefined || sizeBytes < planned.atByte) return
      this.#breaks.shift()
      keep(planned.atByte)
      upload.stream = undefined
      this.#breakOff(stream, planned.how)
    })
    stream.on('close', () => {
      if (upload.stream !== stream) return
      upload.stream = undefined
      keep(sizeBytes)
    })
    stream.on('end', () => {
      if (upload.stream !== stream || sizeBytes < upload.lengthBytes) return
      upload.stream = undefined
      keep(sizeBytes)
      this.#finish(stream, id, upload)
    })
  }

  #finish(stream: ServerHttp2Stream, id: Digest, upload: Upload): void {
    if (this.#refusesDigests) {
      this.#refusesDigests = false
      upload.received = upload.received.subarray(0, 1)
      return sendProblem(stream, 409, 'mismatching_upload_offset', this.#fieldsOf(upload))
    }
    const outcome = outcomeOf(id, upload)
    if (outcome.status === 'rejected') this.uploads.delete(id)
    else upload.outcome = { ...outcome, status: 'already_stored' }
    if (!this.#losesAnswer) return sendOutcome(stream, outcome)
    this.#losesAnswer = false
    stream.session?.destroy()
  }

  #breakOff(stream: ServerHttp2Stream, how: Break): void {
    if (how === 'reset') stream.destroy(new Error('a break'))
    else if (how === 'session') stream.session?.destroy()
    else for (const socket of this.#sockets) socket.end()
  }

  #fieldsOf({ received, outcome, lengthBytes }: Upload): OutgoingHttpHeaders {
    return {
      'upload-offset': this.#neverAgrees ? 0 : received.length,
      'upload-complete': outcome === undefined ? '?0' : '?1',
      'upload-length': lengthBytes,
      'upload-limit': 'max-size=1125899906842624, max-age=604800',
      'cache-control': 'no-store',
    }
  }
}

function endOlder(upload: Upload): void {
  upload.stream?.destroy(new Error('a newer request has come'))
}

/** Reads the message as every receiver must: its frame comes from the manifest, its hash from the bytes. */
function outcomeOf(id: Digest, { received }: Upload): Outcome {
  const partHead = filePartHead(boundaryOf(id))
  const manifestStart = received.indexOf('\r\n\r\n') + 4
  const manifestEnd = received.indexOf(partHead)
  const manifest = received.subarray(manifestStart, manifestEnd)
  if (blake3(manifest) !== id) throw new Error('the id is not the one of this manifest')
  const { sizeBytes } = decodeManifest(manifest).files[0]!
  const fileStart = manifestEnd + partHead.length
  const digest = blake3(received.subarray(fileStart, fileStart + sizeBytes))
  const digestsStart = received.indexOf('\r\n\r\n', fileStart + sizeBytes) + 4
  const declared = received.toString('hex', digestsStart, digestsStart + 32)
  if (declared === digest) return { status: 'stored', sizeBytes, digest }
  return { status: 'rejected', reason: 'digest_mismatch', sizeBytes, digest }
}

function sendOutcome(stream: ServerHttp2Stream, outcome: Outcome): void {
  const headers = { 'content-type': 'application/vnd.msgpack', 'upload-complete': '?1' }
  send(stream, 200, headers, encodeOutcomes([outcome]))
}

function badRequest(stream: ServerHttp2Stream): void {
  sendProblem(stream, 400, 'bad_request')
}

function sendProblem(
  stream: ServerHttp2Stream,
  status: number,
  code: string,
  headers: OutgoingHttpHeaders = {},
): void {
  const body = Buffer.from(problemAsJson({ code, status, detail: code }))
  send(stream, status, { 'content-type': problemContentType, ...headers }, body)
}

/** What still arrives after an answer is dropped for a moment, so that the answer gets to be seen. */
function send(
  stream: ServerHttp2Stream,
  status: number,
  headers: OutgoingHttpHeaders = {},
  body: Buffer = Buffer.alloc(0),
): void {
  if (stream.destroyed) return
  stream.respond({ ':status': status, ...headers })
  if (body.length > 0) stream.end(body)
  else stream.end()
  stream.resume()
}
