import type { Socket } from 'node:net'

/**
 * Reads on from a connection on which nothing moves. Node's HTTP/2 does not read while a write is under
 * way, and TLS may lose the failure of a write over a connection that was reset (Node.js 24.21): both
 * then wait for each other, and nobody hears that the connection is gone. Reading brings it to light at
 * once, and does nothing to a connection that lives.
 */
export function keepReading(socket: Socket): void {
  // Not in the documentation: what Node itself calls when the write is over.
  const { _handle } = socket as { readonly _handle?: { readonly readStart?: () => void } | null }
  _handle?.readStart?.()
}
