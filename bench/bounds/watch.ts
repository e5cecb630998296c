import { loadavg } from 'node:os'
import { type Holdings, holdingsOf } from './holdings.ts'

export interface Sample extends Holdings {
  /** Since the watch began. */
  readonly atSeconds: number
  /** Another one: the process was started again in between. */
  readonly pid: number
  /** Load average of the machine, over a minute. */
  readonly load1: number
}

/** Looks at one process again and again, also when it is started anew under another id. */
export class Watch implements Disposable {
  readonly name: string
  readonly samples: Sample[] = []
  readonly #pid: () => number | undefined
  readonly #startedAtMs = performance.now()
  readonly #timer: NodeJS.Timeout

  constructor(name: string, pid: () => number | undefined, everySeconds: number) {
    this.name = name
    this.#pid = pid
    this.#timer = setInterval(() => this.#look(), everySeconds * 1000)
  }

  /** A last look; the process may end then. */
  end(): void {
    this.#look()
    clearInterval(this.#timer)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const pid = this.#pid()
    const holdings = pid === undefined ? undefined : holdingsOf(pid)
    if (pid === undefined || holdings === undefined) return
    const atSeconds = (performance.now() - this.#startedAtMs) / 1000
    this.samples.push({ atSeconds, pid, load1: loadavg()[0]!, ...holdings })
  }
}

/** What else went on: the load average of the machine while it was watched. */
export function loadText({ samples }: Watch): string {
  const loads = samples.map(({ load1 }) => load1)
  return `${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`
}
