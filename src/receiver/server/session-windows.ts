import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { nextWindowBytes, streamWindowBytes, windows } from './window-size.ts'

export interface SessionWindowsOptions {
  /** For the windows of all connections together. */
  readonly limitBytes: number
  /** How often a connection that receives is asked whether its window holds it back. */
  readonly probeMs: number
  /** After this long without a byte a window falls back. A granted window is memory promised. */
  readonly idleMs: number
}

/**
 * Grants the flow-control windows of all connections, which are what an upload's speed hangs on
 * (RFC 9113 section 6.9), and keeps their sum below a limit: beyond it a new connection stays at the
 * 64 KiB that every connection has.
 */
export class SessionWindows {
  readonly #options: SessionWindowsOptions
  readonly #windows = new Map<ServerHttp2Session, Window>()
  #grantedBytes = 0

  constructor(options: SessionWindowsOptions) {
    this.#options = options
  }

  /**
   * A stream of a sender that has shown who it is. Its connection gets its start window, unless it
   * has one. Leaves the stream paused.
   */
  admit(session: ServerHttp2Session, stream: ServerHttp2Stream): void {
    if (session.destroyed) return
    const window = this.#windows.get(session) ?? this.#open(session)
    window.watch(stream)
  }

  /** The windows of all admitted connections. */
  get grantedBytes(): number {
    return this.#grantedBytes
  }

  #open(session: ServerHttp2Session): Window {
    const { limitBytes, probeMs, idleMs } = this.#options
    const window = new Window(session, {
      probeMs,
      idleMs,
      freeBytes: () => Math.max(0, limitBytes - this.#grantedBytes),
      onChange: (byBytes) => {
        this.#grantedBytes += byBytes
      },
    })
    this.#windows.set(session, window)
    session.once('close', () => {
      this.#windows.delete(session)
      window.close()
    })
    window.open()
    const more = windows.startBytes - window.sizeBytes
    if (this.#grantedBytes + more > limitBytes) this.#shrinkLargest()
    if (this.#grantedBytes + more <= limitBytes) window.resize(windows.startBytes)
    return window
  }

  #shrinkLargest(): void {
    let largest: Window | undefined
    for (const window of this.#windows.values()) {
      if (window.sizeBytes > (largest?.sizeBytes ?? windows.startBytes)) largest = window
    }
    largest?.resize(windows.startBytes)
  }
}

interface WindowOptions {
  readonly probeMs: number
  readonly idleMs: number
  readonly freeBytes: () => number
  readonly onChange: (byBytes: number) => void
}

class Window {
  readonly #session: ServerHttp2Session
  readonly #options: WindowOptions
  #sizeBytes = 0
  #streamBytes: number = windows.beforeAuthenticationBytes
  #streams = 0
  #bytes = 0
  #lastBytesAtMs = 0
  #probeTimer: NodeJS.Timeout | undefined
  #idleTimer: NodeJS.Timeout | undefined

  constructor(session: ServerHttp2Session, options: WindowOptions) {
    this.#session = session
    this.#options = options
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  open(): void {
    this.#note(windows.beforeAuthenticationBytes)
  }

  close(): void {
    clearTimeout(this.#probeTimer)
    clearTimeout(this.#idleTimer)
    this.#note(0)
  }

  watch(stream: ServerHttp2Stream): void {
    this.#streams += 1
    stream.once('close', this.#onStreamClose)
    stream.on('data', this.#onData)
    stream.pause()
  }

  resize(sizeBytes: number): void {
    if (this.#session.destroyed) return
    if (sizeBytes !== this.#sizeBytes) {
      this.#note(sizeBytes)
      this.#session.setLocalWindowSize(sizeBytes)
      if (sizeBytes > windows.startBytes) this.#idleTimer ??= this.#idleIn(this.#options.idleMs)
    }
    const streamBytes = streamWindowBytes(sizeBytes, this.#streams)
    if (streamBytes === this.#streamBytes || this.#session.destroyed) return
    this.#streamBytes = streamBytes
    this.#session.settings({ initialWindowSize: streamBytes })
  }

  readonly #onStreamClose = () => {
    this.#streams -= 1
  }

  readonly #onData = (bytes: Buffer) => {
    this.#bytes += bytes.length
    this.#lastBytesAtMs = performance.now()
    this.#probeTimer ??= setTimeout(() => this.#probe(), this.#options.probeMs).unref()
  }

  #note(sizeBytes: number): void {
    this.#options.onChange(sizeBytes - this.#sizeBytes)
    this.#sizeBytes = sizeBytes
  }

  #probe(): void {
    if (this.#session.destroyed) return
    const bytesBefore = this.#bytes
    // False when PINGs wait for an answer already: the next bytes start another probe.
    const sent = this.#session.ping((error: Error | null) => {
      this.#probeTimer = undefined
      if (error !== null) return
      this.resize(
        nextWindowBytes({
          windowBytes: this.#sizeBytes,
          streams: this.#streams,
          bytesInRoundTrip: this.#bytes - bytesBefore,
          freeBytes: this.#options.freeBytes(),
        }),
      )
    })
    if (!sent) this.#probeTimer = undefined
  }

  #idleIn(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#idleTimer = undefined
      const leftMs = this.#lastBytesAtMs + this.#options.idleMs - performance.now()
      if (leftMs > 0) this.#idleTimer = this.#idleIn(leftMs)
      else this.resize(windows.startBytes)
    }, delayMs).unref()
  }
}
