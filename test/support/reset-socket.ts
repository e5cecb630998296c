import type { Socket } from 'node:net'

/**
 * Takes a connection away. What is still to be written keeps Node.js from resetting it, and a reset that
 * comes while it is being ended is lost (24.21): the socket then stays open, and the process, which
 * waits for it, never ends. Such a one is closed instead.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded || socket.writableLength > 0) socket.destroy()
  else socket.resetAndDestroy()
}
