/** How much a sender may have on its way, per connection. Half of it per stream. */
export const windows = {
  beforeAuthenticationBytes: 65_535,
  startBytes: 512 * 1024,
  maxBytes: 16 * 1024 * 1024,
  idleAfterMs: 10_000,
} as const

export interface WindowState {
  /** The connection's window now. */
  readonly windowBytes: number
  /** What arrived between a PING and its acknowledgement. */
  readonly bytesInRoundTrip: number
  readonly idleMs: number
  /** How much all windows together may still grow. */
  readonly freeBytes: number
}

/**
 * The window that a connection should have. It doubles while the sender fills most of it within one
 * round trip, which means that the window, not the link, holds it back; at most to twice what the link
 * carried in that time. An idle connection falls back: a granted window is memory promised.
 */
export function nextWindowBytes(state: WindowState): number {
  const { windowBytes, bytesInRoundTrip, idleMs, freeBytes } = state
  if (idleMs >= windows.idleAfterMs) return Math.min(windowBytes, windows.startBytes)
  if (bytesInRoundTrip < windowBytes * 0.75) return windowBytes
  const wanted = Math.min(windowBytes * 2, bytesInRoundTrip * 2, windows.maxBytes)
  return Math.max(windowBytes, Math.min(wanted, windowBytes + freeBytes))
}
