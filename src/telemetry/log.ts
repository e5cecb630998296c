import { messageOf } from '../base/errors.ts'

export type LogLevel = 'info' | 'warn' | 'error'

/** Values that a log line may carry. Paths go through `showPath` first. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** Where a long-running command reports. `event` is a stable snake_case word, the message is for people. */
export interface Log {
  info(event: string, message: string, fields?: LogFields): void
  warn(event: string, message: string, fields?: LogFields): void
  error(event: string, message: string, fields?: LogFields): void
}

type Write = (line: string) => void

/** One JSON object a line, as journald and log shippers take it. */
export function jsonLog(write: Write, now: () => number = Date.now): Log {
  return logTo((level, event, message, fields) => {
    const time = new Date(now()).toISOString()
    write(`${JSON.stringify({ time, level, event, message, ...fields })}\n`)
  })
}

/** Lines for a person at a terminal. */
export function textLog(write: Write, now: () => number = Date.now): Log {
  return logTo((level, _event, message, fields) => {
    const time = new Date(now()).toTimeString().slice(0, 8)
    const mark = level === 'info' ? '' : `${level}: `
    const details = Object.entries(fields ?? {})
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ` ${key}=${value}`)
      .join('')
    write(`${time} ${mark}${message}${details}\n`)
  })
}

export const silentLog: Log = logTo(() => {})

function logTo(
  emit: (level: LogLevel, event: string, message: string, fields?: LogFields) => void,
): Log {
  return {
    info: (event, message, fields) => emit('info', event, message, fields),
    warn: (event, message, fields) => emit('warn', event, message, fields),
    error: (event, message, fields) => emit('error', event, message, fields),
  }
}

/** The fields that describe a thrown value. */
export function errorFields(error: unknown): LogFields {
  const { code } = (error ?? {}) as { code?: unknown }
  return { error: messageOf(error), ...(typeof code === 'string' && { code }) }
}
