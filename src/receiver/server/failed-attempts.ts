import type { Log } from '../../telemetry/log.ts'
import { addressGroup } from './address-group.ts'
import type { ServerLimits } from './limits.ts'
import { LogLimiter } from './log-limiter.ts'
import { problemReply, type Reply } from './reply.ts'
import { TokenBuckets } from './token-buckets.ts'

export interface FailedAttemptsOptions {
  readonly limits: Pick<ServerLimits, 'failedAttempts' | 'failedAttemptEveryMs'>
  readonly log: Log
  readonly monotonicMs: () => number
}

export interface FailedAttempt {
  /** Of the connection; undefined when it is gone already. */
  readonly remote: string | undefined
  /** The machine that it was said to be; undefined when the credentials could not be read. */
  readonly machine: string | undefined
}

export interface AttemptAnswer {
  readonly reply: Reply
  /** True when there were too many: a connection on which nobody has shown who it is may go. */
  readonly tooMany: boolean
}

const maxBuckets = 4096
const tooManyLogEveryMs = 60_000
const retryAfterSeconds = 60

/**
 * Answers requests without valid credentials, and limits them, by address and by the machine they
 * claim to come from. Asked only when the check has failed: the right secret is never refused,
 * delayed or counted, whatever somebody else tries at the same address or in the same name. What is
 * limited is what guesses cost here and leave in the log; finding one of 2^256 secrets needs no limit.
 */
export class FailedAttempts {
  readonly #log: Log
  readonly #byAddress: TokenBuckets
  readonly #byMachine: TokenBuckets
  readonly #rejectedLog: LogLimiter
  readonly #tooManyLog: LogLimiter

  constructor({ limits, log, monotonicMs }: FailedAttemptsOptions) {
    const buckets = {
      burst: limits.failedAttempts,
      refillMs: limits.failedAttemptEveryMs,
      maxBuckets,
      monotonicMs,
    }
    this.#log = log
    this.#byAddress = new TokenBuckets(buckets)
    this.#byMachine = new TokenBuckets(buckets)
    this.#rejectedLog = new LogLimiter(monotonicMs)
    this.#tooManyLog = new LogLimiter(monotonicMs, tooManyLogEveryMs)
  }

  answer(attempt: FailedAttempt): AttemptAnswer {
    const { remote, machine } = attempt
    const byAddress = this.#byAddress.take(addressGroup(remote))
    const byMachine = machine === undefined || this.#byMachine.take(machine)
    return byAddress && byMachine ? this.#reject(attempt) : this.#putOff(attempt)
  }

  #reject({ remote, machine }: FailedAttempt): AttemptAnswer {
    const leftOut = this.#rejectedLog.admit()
    if (leftOut !== undefined) {
      this.#log.warn('credentials_rejected', 'unknown machine or wrong secret', {
        remote,
        machine,
        ...(leftOut > 0 && { left_out: leftOut }),
      })
    }
    const detail = 'Unknown machine or wrong secret. Add it with: longshore receiver machine add'
    const reply = problemReply(
      { code: 'credentials_rejected', status: 401, detail },
      { 'www-authenticate': 'Basic realm="longshore"' },
    )
    return { reply, tooMany: false }
  }

  #putOff({ remote, machine }: FailedAttempt): AttemptAnswer {
    const leftOut = this.#tooManyLog.admit()
    if (leftOut !== undefined) {
      const message =
        'wrong credentials again and again: either a device needs a new config file (longshore receiver machine add prints one), or somebody guesses; machines with the right secret are served'
      this.#log.warn('too_many_attempts', message, {
        remote,
        machine,
        ...(leftOut > 0 && { left_out: leftOut }),
      })
    }
    const detail = 'Too many requests with a wrong secret from this address, or for this machine.'
    const reply = problemReply(
      { code: 'too_many_attempts', status: 429, detail },
      { 'retry-after': String(retryAfterSeconds) },
    )
    return { reply, tooMany: true }
  }
}
