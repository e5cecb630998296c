/** The part of a terminal that the view needs. */
export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const redrawEveryMs = 200
const controlSequence = '\u001b['

/**
 * A few lines at the bottom of a terminal that are drawn anew while work goes on. On anything but a
 * terminal it does nothing. Other output goes through `print`, above the view.
 */
export class ProgressView {
  readonly #terminal: Terminal
  readonly #render: () => readonly string[]
  #drawnLines = 0
  #timer: NodeJS.Timeout | undefined

  constructor(terminal: Terminal, render: () => readonly string[]) {
    this.#terminal = terminal
    this.#render = render
  }

  start(): void {
    if (this.#terminal.isTTY !== true) return
    this.#timer = setInterval(() => this.#draw(), redrawEveryMs).unref()
  }

  print(text: string): void {
    this.#erase()
    this.#terminal.write(text)
    if (this.#timer !== undefined) this.#draw()
  }

  /** Draws a last time and leaves that standing. */
  stop(): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#draw()
    this.#drawnLines = 0
  }

  #draw(): void {
    const width = (this.#terminal.columns ?? 80) - 1
    const lines = this.#render().map((line) => line.slice(0, width))
    this.#erase()
    this.#terminal.write(lines.map((line) => `${line}\n`).join(''))
    this.#drawnLines = lines.length
  }

  #erase(): void {
    if (this.#drawnLines === 0) return
    this.#terminal.write(`${controlSequence}${this.#drawnLines}A${controlSequence}0J`)
    this.#drawnLines = 0
  }
}

/** `[=====     ]` for a share between 0 and 1. */
export function progressBar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return `[${'='.repeat(filled)}${' '.repeat(width - filled)}]`
}

/** Goodput over the last seconds, from a counter that only grows. */
export class RateMeter {
  readonly #windowMs: number
  readonly #samples: { readonly atMs: number; readonly total: number }[] = []

  constructor(windowMs = 3000) {
    this.#windowMs = windowMs
  }

  /** Notes where the counter is now, and returns its growth per second. */
  perSecond(total: number, nowMs: number): number {
    this.#samples.push({ atMs: nowMs, total })
    while (this.#samples.length > 2 && nowMs - this.#samples[0]!.atMs > this.#windowMs) {
      this.#samples.shift()
    }
    const first = this.#samples[0]!
    const elapsedMs = nowMs - first.atMs
    return elapsedMs <= 0 ? 0 : ((total - first.total) / elapsedMs) * 1000
  }
}
