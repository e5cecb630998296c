import type { Log, LogFields } from '../../telemetry/log.ts'
import { TokenBuckets } from './token-buckets.ts'

export interface LimitedLogOptions {
  readonly log: Log
  /** Lines of one machine, until there may be one more every `everyMs`. */
  readonly burst: number
  readonly everyMs: number
  readonly monotonicMs: () => number
}

const maxMachines = 4096

/**
 * A log for what machines bring about by their requests: one of them, gone mad or taken over, must not
 * fill the disk with what is wrong with it. A line says how many were left out before it.
 */
export class LimitedLog implements Log {
  readonly #log: Log
  readonly #buckets: TokenBuckets
  #leftOut = 0

  constructor({ log, burst, everyMs, monotonicMs }: LimitedLogOptions) {
    this.#log = log
    this.#buckets = new TokenBuckets({
      burst,
      refillMs: everyMs,
      maxBuckets: maxMachines,
      monotonicMs,
    })
  }

  info(event: string, message: string, fields?: LogFields): void {
    const admitted = this.#admit(fields)
    if (admitted !== undefined) this.#log.info(event, message, admitted)
  }

  warn(event: string, message: string, fields?: LogFields): void {
    const admitted = this.#admit(fields)
    if (admitted !== undefined) this.#log.warn(event, message, admitted)
  }

  error(event: string, message: string, fields?: LogFields): void {
    const admitted = this.#admit(fields)
    if (admitted !== undefined) this.#log.error(event, message, admitted)
  }

  #admit(fields: LogFields = {}): LogFields | undefined {
    if (!this.#buckets.take(String(fields.machine))) {
      this.#leftOut += 1
      return undefined
    }
    const leftOut = this.#leftOut
    this.#leftOut = 0
    return leftOut === 0 ? fields : { ...fields, left_out: leftOut }
  }
}
