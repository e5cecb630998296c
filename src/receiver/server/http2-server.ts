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
          minVersion: 'TLSv1.2',
          handshakeTimeout: limits.handshakeMs,
          ALPNCallback: chooseProtocol,
        })
  server.maxConnections = limits.connections
  server.setTimeout(limits.connectionIdleMs, (session?: ServerHttp2Session) => session?.destroy())
  server.on('session', (session: ServerHttp2Session) => {
    // A connection that dies is no error of ours: its streams have seen it, and each is a break.
    session.on('error', ignore)
    handlers.onSession(session)
  })
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', ignore)
    limitIdleTime(stream, limits.streamIdleMs)
    handlers.onStream(stream, headers)
  })
  server.on('unknownProtocol', (socket: Socket) => refuseHttp1(socket, limits.handshakeMs))
  return server
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
