import type { ServerHttp2Session } from 'node:http2'
import { nextWindowBytes, windows } from './window-size.ts'

const probeEveryMs = 100

/**
 * Grants the flow-control windows of all connections, which are what an upload's speed hangs on
 * (RFC 9113 section 6.9), and keeps their sum below a limit.
 */
export class SessionWindows {
  readonly #limitBytes: number
  readonly #sessions = new Map<ServerHttp2Session, Window>()
  #grantedBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** A connection whose sender has shown who it is gets its start window. Again is harmless. */
  admit(session: ServerHttp2Session): void {
    if (this.#sessions.has(session) || session.destroyed) return
    const window = new Window(session, {
      freeBytes: () => Math.max(0, this.#limitBytes - this.#grantedBytes),
      onChange: (byBytes) => {
        this.#grantedBytes += byBytes
      },
    })
    this.#sessions.set(session, window)
    session.once('close', () => {
      this.#sessions.delete(session)
      window.end()
    })
    window.resize(windows.startBytes)
    if (this.#grantedBytes > this.#limitBytes) this.#shrinkLargest()
  }

  /** Bytes of a body arrived on this connection. */
  onBytes(session: ServerHttp2Session, sizeBytes: number): void {
    this.#sessions.get(session)?.onBytes(sizeBytes)
  }

  get grantedBytes(): number {
    return this.#grantedBytes
  }

  #shrinkLargest(): void {
    let largest: Window | undefined
    for (const window of this.#sessions.values()) {
      if (window.sizeBytes > (largest?.sizeBytes ?? windows.startBytes)) largest = window
    }
    largest?.resize(windows.startBytes)
  }
}

interface WindowOptions {
  readonly freeBytes: () => number
  readonly onChange: (byBytes: number) => void
}

class Window {
  readonly #session: ServerHttp2Session
  readonly #options: WindowOptions
  #sizeBytes = 0
  #bytes = 0
  #lastBytesAtMs = performance.now()
  #timer: NodeJS.Timeout | undefined

  constructor(session: ServerHttp2Session, options: WindowOptions) {
    this.#session = session
    this.#options = options
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  onBytes(sizeBytes: number): void {
    this.#bytes += sizeBytes
    this.#lastBytesAtMs = performance.now()
    this.#timer ??= setTimeout(() => this.#probe(), probeEveryMs).unref()
  }

  resize(sizeBytes: number): void {
    if (sizeBytes === this.#sizeBytes || this.#session.destroyed) return
    this.#options.onChange(sizeBytes - this.#sizeBytes)
    this.#sizeBytes = sizeBytes
    this.#session.setLocalWindowSize(sizeBytes)
    this.#session.settings({ initialWindowSize: sizeBytes / 2 })
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#options.onChange(-this.#sizeBytes)
    this.#sizeBytes = 0
  }

  #probe(): void {
    if (this.#session.destroyed) return
    const bytesBefore = this.#bytes
    // False when a PING is under way already: the next bytes start another probe.
    const sent = this.#session.ping((error: Error | null) => {
      this.#timer = undefined
      if (error !== null || this.#session.destroyed) return
      const idleMs = performance.now() - this.#lastBytesAtMs
      this.resize(
        nextWindowBytes({
          windowBytes: this.#sizeBytes,
          bytesInRoundTrip: this.#bytes - bytesBefore,
          idleMs,
          freeBytes: this.#options.freeBytes(),
        }),
      )
      if (this.#sizeBytes > windows.startBytes) this.#checkLater()
    })
    if (!sent) this.#timer = undefined
  }

  /** A grown window is looked at again even if no byte comes any more. */
  #checkLater(): void {
    this.#timer = setTimeout(
      () => this.#probe(),
      performance.now() - this.#lastBytesAtMs < probeEveryMs ? probeEveryMs : windows.idleAfterMs,
    ).unref()
  }
}
