/** How much a sender may have on its way. */
export const windows = {
  beforeAuthenticationBytes: 65_535,
  startBytes: 512 * 1024,
  maxBytes: 16 * 1024 * 1024,
} as const

export interface WindowState {
  /** The connection's window now. */
  readonly windowBytes: number
  /** How many streams share it. */
  readonly streams: number
  /** What arrived between a PING and its acknowledgement. */
  readonly bytesInRoundTrip: number
  /** How much all windows together may still grow. */
  readonly freeBytes: number
}

/**
 * The window that a connection should have. It doubles while the senders fill most of it within one
 * round trip, which means that the window, not the link, holds them back; at most to twice what the
 * link carried in that time.
 */
export function nextWindowBytes(state: WindowState): number {
  const { windowBytes, streams, bytesInRoundTrip, freeBytes } = state
  // One stream alone has only half of the connection's window to fill.
  const ofStreamsBytes = Math.max(1, streams) * streamWindowBytes(windowBytes, streams)
  const filledShare = Math.min(1, bytesInRoundTrip / Math.min(windowBytes, ofStreamsBytes))
  if (filledShare < 0.75) return windowBytes
  const wanted = Math.min(Math.floor(windowBytes * 2 * filledShare), windows.maxBytes)
  return Math.max(windowBytes, Math.min(wanted, windowBytes + freeBytes))
}

/**
 * The window of each stream: half of the connection's, and less the more streams there are, so that
 * all of them can fill the connection's once and not many times. What stands in a stream's window can
 * pile up here unread (node:http2 gives the connection's window back before anybody reads).
 */
export function streamWindowBytes(windowBytes: number, streams: number): number {
  // In powers of two: each change is a SETTINGS frame.
  const share = 2 ** Math.floor(Math.log2(Math.max(2, streams)))
  return Math.max(windows.beforeAuthenticationBytes, Math.floor(windowBytes / share))
}
