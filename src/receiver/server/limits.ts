/** Limits on what a sender can make the receiver hold or wait for. docs/protocol.md lists them. */
export interface ServerLimits {
  readonly connections: number
  readonly streamsPerConnection: number
  readonly headerBytes: number
  readonly headerPairs: number
  /** What Node keeps of frames and headers per connection; bodies are counted elsewhere. */
  readonly sessionMemoryMb: number
  readonly handshakeMs: number
  /** A connection whose sender has not shown by then who it is must go. */
  readonly strangerMs: number
  /** A request on which nothing moves. */
  readonly streamIdleMs: number
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
  streamsPerConnection: 128,
  headerBytes: 16 * 1024,
  headerPairs: 64,
  sessionMemoryMb: 64,
  handshakeMs: 10_000,
  strangerMs: 30_000,
  streamIdleMs: 60_000,
  connectionIdleMs: 5 * 60_000,
  lingerMs: 5000,
  drainMs: 10_000,
  windowProbeMs: 100,
  windowIdleMs: 10_000,
  unreadCheckMs: 250,
}
