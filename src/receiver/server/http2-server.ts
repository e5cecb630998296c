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
import { windows } from './window-size.ts'

/** Limits on what a sender can make the receiver hold or wait for. docs/protocol.md lists them. */
const limits = {
  connections: 4096,
  streamsPerConnection: 128,
  headerBytes: 16 * 1024,
  headerPairs: 64,
  sessionMemoryMb: 64,
  streamIdleMs: 60_000,
  connectionIdleMs: 5 * 60_000,
} as const

export interface ServerHandlers {
  onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void
  onSession(session: ServerHttp2Session): void
}

export interface TlsFiles {
  readonly key: string
  readonly cert: string
}

/** An HTTP/2 server with our limits; not yet listening. Without `tls` it is cleartext HTTP/2. */
export function createHttp2Server(
  tls: TlsFiles | undefined,
  handlers: ServerHandlers,
): Http2SecureServer | Http2Server {
  const options: ServerOptions = {
    maxHeaderListPairs: limits.headerPairs,
    maxSessionMemory: limits.sessionMemoryMb,
    unknownProtocolTimeout: 5000,
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
      : createSecureServer({ ...options, ...tls, minVersion: 'TLSv1.2' })
  server.maxConnections = limits.connections
  server.setTimeout(limits.connectionIdleMs, (session?: ServerHttp2Session) => session?.destroy())
  server.on('session', (session: ServerHttp2Session) => {
    // A connection that dies is no error of ours: its streams have seen it, and each is a break.
    session.on('error', () => {})
    handlers.onSession(session)
  })
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => {})
    stream.setTimeout(limits.streamIdleMs, () => stream.destroy())
    handlers.onStream(stream, headers)
  })
  server.on('unknownProtocol', (socket: Socket) => {
    socket.end(
      'HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n' +
        'Longshore speaks HTTP/2. Is a proxy in between? With curl, use --http2.\n',
    )
  })
  return server
}
