export interface LinkState {
  readonly toPort: number
  /** One way, each way. */
  readonly delayMs: number
  /** On top of it up to so much, by the seed; the order of bytes stays. */
  readonly jitterMs: number
  /** Of all connections together. 0: nothing moves and nothing is lost. */
  readonly upBytesPerSecond: number
  readonly downBytesPerSecond: number
  /** Cuts a connection when it has passed on so many bytes of the device. */
  readonly cut: Cut | undefined
  /** Turns over one bit of this byte of what the device sends on a connection, counted from 0. */
  readonly corrupt: Corruption | undefined
}

export type CutKind = 'fin' | 'rst'
export type Direction = 'up' | 'down'

export interface Cut {
  /** With `fin` exactly so many arrive, with `rst` at most. */
  readonly afterUpBytes: number
  readonly by: CutKind
  /** How many connections are cut until it is set again. Default: all. */
  readonly times?: number
}

export interface Corruption {
  readonly atUpByte: number
  readonly times?: number
}

/** A link as good as loopback. */
export const noFaults = {
  delayMs: 0,
  jitterMs: 0,
  upBytesPerSecond: Number.POSITIVE_INFINITY,
  downBytesPerSecond: Number.POSITIVE_INFINITY,
  cut: undefined,
  corrupt: undefined,
} as const
