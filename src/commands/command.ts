import { type ParseArgsConfig, parseArgs } from 'node:util'
import { LongshoreError, messageOf } from '../base/errors.ts'
import type { Terminal } from '../telemetry/progress-view.ts'

/** What a command has of the world. */
export interface CommandContext {
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly homeDir: string
  readonly stdout: Terminal
  readonly stderr: Terminal
  /** Aborts at the first SIGTERM or SIGINT: finish soon. */
  readonly shutdown: AbortSignal
}

export interface Command {
  /** Its words, such as `receiver machine add`. */
  readonly name: string
  /** What `--help` prints: usage, options, an example. */
  readonly help: string
  /** Resolves with the exit status. @throws LongshoreError */
  run(context: CommandContext): Promise<number>
}

type Options = NonNullable<ParseArgsConfig['options']>

/**
 * Reads a command's arguments. @throws LongshoreError `usage`
 *
 * @param positionals - What they are called, one each; or 'any' number of them.
 */
export function readArgs<T extends Options>(
  command: Command,
  { args }: CommandContext,
  options: T,
  positionals: readonly string[] | 'any' = [],
) {
  const parsed = parse(command, args, options)
  if (positionals === 'any') return parsed
  if (parsed.positionals.length !== positionals.length) {
    const expected = positionals.length === 0 ? 'no arguments' : positionals.join(' ')
    const found = parsed.positionals.length === 0 ? 'none' : parsed.positionals.join(' ')
    throw usageError(command, `expected ${expected}, found ${found}`)
  }
  return parsed
}

function parse<T extends Options>(command: Command, args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw usageError(command, messageOf(error))
  }
}

export function usageError(command: Command, message: string): LongshoreError {
  return new LongshoreError('usage', `longshore ${command.name}: ${message}`, {
    hint: `See: longshore ${command.name} --help`,
  })
}
