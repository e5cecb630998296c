/** Limits on what a sender can make the receiver hold or wait for. docs/protocol.md lists them. */
export interface ServerLimits {
  readonly connections: number
  /** Of these, on which nobody has shown yet who it is. */
  readonly strangers: number
  readonly connectionsPerMachine: number
  readonly streamsPerConnection: number
  readonly headerBytes: number
  readonly headerPairs: number
  /** PING and SETTINGS frames that a connection may send in 10 s. */
  readonly controlFrames: number
  /** What Node keeps of frames and headers per connection; bodies are counted elsewhere. */
  readonly sessionMemoryMb: number
  readonly handshakeMs: number
  /** A connection whose sender has not shown by then who it is must go. */
  readonly strangerMs: number
  /** Requests with a wrong secret that are told so, of one address or for one machine, until one more may be. */
  readonly failedAttempts: number
  readonly failedAttemptEveryMs: number
  /** Lines of the log about one machine's requests, until there may be one more. */
  readonly logLines: number
  readonly logLineEveryMs: number
  /** A request on which nothing moves. */
  readonly streamIdleMs: number
  /** All of a request that is held in memory until it is complete. */
  readonly bundleMs: number
  /** All of a request of any kind. */
  readonly requestMs: number
  /** A connection on which nothing moves. */
  readonly connectionIdleMs: number
  /** How long a sender may go on sending after it has been answered early. */
  readonly lingerMs: number
  /** How long uploads under way may still finish when the receiver is told to end. */
  readonly drainMs: number
  /** How often a connection that receives is asked whether its window holds it back. */
  readonly windowProbeMs: number
  /** After this long without a byte a connection's window falls back. */
  readonly windowIdleMs: number
  /** How often the bodies that wait to be read are counted. */
  readonly unreadCheckMs: number
}

export const defaultLimits: ServerLimits = {
  connections: 4096,
  strangers: 1024,
  connectionsPerMachine: 512,
  streamsPerConnection: 128,
  headerBytes: 16 * 1024,
  headerPairs: 64,
  controlFrames: 1000,
  sessionMemoryMb: 64,
  handshakeMs: 10_000,
  strangerMs: 30_000,
  // More than a device whose secret is old has under way at once when it finds out.
  failedAttempts: 128,
  failedAttemptEveryMs: 10_000,
  logLines: 60,
  logLineEveryMs: 1000,
  streamIdleMs: 60_000,
  bundleMs: 60 * 60_000,
  requestMs: 24 * 60 * 60_000,
  connectionIdleMs: 5 * 60_000,
  lingerMs: 5000,
  drainMs: 10_000,
  windowProbeMs: 100,
  windowIdleMs: 10_000,
  unreadCheckMs: 250,
}
