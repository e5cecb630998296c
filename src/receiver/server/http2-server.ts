import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { ServerLimits } from './limits.ts'
import { windows } from './window-size.ts'

export interface ServerHandlers {
  onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void
  onSession(session: ServerHttp2Session): void
}

export interface TlsFiles {
  readonly key: string
  readonly cert: string
}

/** Only what RFC 9113 section 9.2.2 lets HTTP/2 run on: with TLS 1.2, keys of one connection and AEAD. */
export const tlsRules = {
  minVersion: 'TLSv1.2',
  ciphers:
    'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:ECDHE+AESGCM:ECDHE+CHACHA20',
} as const

/** An HTTP/2 server with these limits; not yet listening. Without `tls` it is cleartext HTTP/2. */
export function createHttp2Server(
  tls: TlsFiles | undefined,
  limits: ServerLimits,
  handlers: ServerHandlers,
): Http2SecureServer | Http2Server {
  const options: ServerOptions = {
    maxHeaderListPairs: limits.headerPairs,
    maxSessionMemory: limits.sessionMemoryMb,
    settings: {
      enablePush: false,
      initialWindowSize: windows.beforeAuthenticationBytes,
      maxConcurrentStreams: limits.streamsPerConnection,
      maxHeaderListSize: limits.headerBytes,
    },
  }
  const server =
    tls === undefined
      ? createServer(options)
      : createSecureServer({
          ...options,
          ...tls,
          ...tlsRules,
          handshakeTimeout: limits.handshakeMs,
          ALPNCallback: chooseProtocol,
        })
  server.maxConnections = limits.connections
  server.setTimeout(limits.connectionIdleMs, (session?: ServerHttp2Session) => session?.destroy())
  server.on('session', (session: ServerHttp2Session) => {
    // A connection that dies is no error of ours: its streams have seen it, and each is a break.
    session.on('error', ignore)
    limitControlFrames(session, limits.controlFrames)
    handlers.onSession(session)
  })
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', ignore)
    limitIdleTime(stream, limits.streamIdleMs)
    // Who sends a byte now and then is not idle, and would hold what it holds for ever.
    const isBundle = headers['upload-complete'] === undefined
    limitWholeTime(stream, isBundle ? limits.bundleMs : limits.requestMs)
    handlers.onStream(stream, headers)
  })
  server.on('unknownProtocol', (socket: Socket) => refuseHttp1(socket, limits.handshakeMs))
  return server
}

const controlFramesMs = 10_000

/**
 * Each of these wants an answer. nghttp2 limits them for a peer that does not read the answers, and
 * limits by itself what else costs more than it brings: resets, empty frames, streams beyond the limit.
 */
function limitControlFrames(session: ServerHttp2Session, limit: number): void {
  let count = 0
  let sinceMs = performance.now()
  const onFrame = () => {
    const nowMs = performance.now()
    if (nowMs - sinceMs >= controlFramesMs) {
      sinceMs = nowMs
      count = 0
    }
    count += 1
    if (count > limit) session.destroy(new Error('too many PING or SETTINGS frames'))
  }
  session.on('ping', onFrame)
  session.on('remoteSettings', onFrame)
}

function limitIdleTime(stream: ServerHttp2Stream, idleMs: number): void {
  stream.setTimeout(idleMs, () => {
    // Not the sender's doing: there is no room yet, or a slow disk makes its upload durable.
    const isOurTurn = !stream.headersSent && (stream.isPaused() || stream.readableEnded)
    if (isOurTurn) limitIdleTime(stream, idleMs)
    // With an error: a reset without one would look to the sender like the end of an answer.
    else stream.destroy(new Error('nothing moves'))
  })
}

function limitWholeTime(stream: ServerHttp2Stream, wholeMs: number): void {
  const giveUp = setTimeout(() => stream.destroy(new Error('it takes too long')), wholeMs).unref()
  stream.once('close', () => clearTimeout(giveUp))
}

/** HTTP/1.1 is agreed upon only to tell the client, in a way that it understands, what is wrong. */
function chooseProtocol({ protocols }: { readonly protocols: string[] }): string | undefined {
  return ['h2', 'http/1.1'].find((name) => protocols.includes(name))
}

function refuseHttp1(socket: Socket, giveUpMs: number): void {
  socket.on('error', ignore)
  socket.end(
    'HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n' +
      'Longshore speaks HTTP/2. Is a proxy in between? With curl, use --http2.\n',
  )
  // Read on, so that the request does not turn the end into a reset that overtakes the text.
  socket.resume()
  const giveUp = setTimeout(() => socket.destroy(), giveUpMs).unref()
  socket.once('close', () => clearTimeout(giveUp))
}

function ignore(): void {}
