import type { Log, LogFields, LogLevel } from '../../src/telemetry/log.ts'

interface Line {
  readonly level: LogLevel
  readonly event: string
  readonly message: string
  readonly fields: LogFields | undefined
}

/** A log that keeps its lines. */
export class TestLog implements Log {
  readonly lines: Line[] = []

  get events(): string[] {
    return this.lines.map(({ event }) => event)
  }

  info(event: string, message: string, fields?: LogFields): void {
    this.lines.push({ level: 'info', event, message, fields })
  }

  warn(event: string, message: string, fields?: LogFields): void {
    this.lines.push({ level: 'warn', event, message, fields })
  }

  error(event: string, message: string, fields?: LogFields): void {
    this.lines.push({ level: 'error', event, message, fields })
  }
}
