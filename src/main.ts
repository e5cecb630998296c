import { homedir } from 'node:os'
import { exitCodes, LongshoreError } from './base/errors.ts'
import { version } from './base/version.ts'
import type { Command, CommandContext } from './commands/command.ts'

interface CommandEntry {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Loaded when it is wanted: the daemon must not carry the receiver. */
  readonly load: () => Promise<Command>
}

const commands: readonly CommandEntry[] = [
  {
    name: 'sync',
    summary: 'upload everything that is ready, once, and remove it here',
    load: async () => (await import('./commands/sync.ts')).syncCommand,
  },
  {
    name: 'run',
    summary: 'the daemon: sync again and again, in the foreground',
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  {
    name: 'check',
    summary: 'is everything in place, and what would be uploaded and removed',
    load: async () => (await import('./commands/check.ts')).checkCommand,
  },
  {
    name: 'requeue',
    summary: 'bring files that were set aside back to where they came from',
    load: async () => (await import('./commands/requeue.ts')).requeueCommand,
  },
  {
    name: 'receiver start',
    summary: 'take files in, into a folder',
    load: async () => (await import('./commands/receiver/start.ts')).receiverStartCommand,
  },
  {
    name: 'receiver machine add',
    summary: "admit a machine, and print the machine's config file",
    load: async () => (await import('./commands/receiver/machine.ts')).machineAddCommand,
  },
  {
    name: 'receiver machine list',
    summary: 'the machines that may send',
    load: async () => (await import('./commands/receiver/machine.ts')).machineListCommand,
  },
  {
    name: 'receiver machine remove',
    summary: 'admit a machine no more; its data stays',
    load: async () => (await import('./commands/receiver/machine.ts')).machineRemoveCommand,
  },
  {
    name: 'receiver ls',
    summary: 'what has arrived',
    load: async () => (await import('./commands/receiver/ls.ts')).receiverLsCommand,
  },
  {
    name: 'receiver export',
    summary: 'what has arrived, as plain files',
    load: async () => (await import('./commands/receiver/export.ts')).receiverExportCommand,
  },
  {
    name: 'receiver verify',
    summary: 'read everything that is stored again, and compare hashes',
    load: async () => (await import('./commands/receiver/verify.ts')).receiverVerifyCommand,
  },
  {
    name: 'receiver backup',
    summary: 'copy the data folder, also while the receiver runs',
    load: async () => (await import('./commands/receiver/backup.ts')).receiverBackupCommand,
  },
  {
    name: 'receiver rebuild',
    summary: 'make the catalog anew from what is stored',
    load: async () => (await import('./commands/receiver/rebuild.ts')).receiverRebuildCommand,
  },
]

function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return `Usage: longshore COMMAND [OPTIONS]

Gets captured data off a device: hashed, verified, durable at the receiver, then removed here.

${lines.join('\n')}

longshore COMMAND --help says more of each. longshore --version prints ${version}.
`
}

/** The command with the most words that `argv` begins with. */
function findCommand(argv: readonly string[]): CommandEntry | undefined {
  return commands
    .filter(({ name }) => name.split(' ').every((word, index) => argv[index] === word))
    .sort((a, b) => b.name.length - a.name.length)[0]
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 0 || argv[0] === '--help' || argv[0] === '-h' || argv[0] === 'help') {
    process.stdout.write(overview())
    return argv.length === 0 ? exitCodes.usage : exitCodes.done
  }
  if (argv[0] === '--version') {
    process.stdout.write(`${version}\n`)
    return exitCodes.done
  }
  const entry = findCommand(argv)
  if (entry === undefined) {
    const words = argv
      .filter((word) => !word.startsWith('-'))
      .slice(0, 3)
      .join(' ')
    throw new LongshoreError('usage', `there is no command ${JSON.stringify(words)}`, {
      hint: 'See: longshore --help',
    })
  }
  const command = await entry.load()
  const args = argv.slice(entry.name.split(' ').length)
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(command.help)
    return exitCodes.done
  }
  return command.run(contextFor(args))
}

function contextFor(args: readonly string[]): CommandContext {
  const shutdown = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // The second one means it.
      if (shutdown.signal.aborted) process.exit(128 + (signal === 'SIGTERM' ? 15 : 2))
      shutdown.abort()
    })
  }
  const { env, stdout, stderr } = process
  return { args, env, homeDir: homeDirectory(), stdout, stderr, shutdown: shutdown.signal }
}

/** Empty for an account that has none. */
function homeDirectory(): string {
  try {
    return homedir()
  } catch {
    return ''
  }
}

function report(error: unknown): number {
  if (error instanceof LongshoreError) {
    const hint = error.hint === undefined ? '' : `\n  ${error.hint}`
    process.stderr.write(`longshore: ${error.message} [${error.code}]${hint}\n`)
    return error.exitCode
  }
  const stack = error instanceof Error ? error.stack : String(error)
  process.stderr.write(
    `longshore: this is a bug of Longshore ${version}, please report it:\n${stack}\n`,
  )
  return exitCodes.failed
}

// `longshore receiver ls | head`: the reader has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.done)
  throw error
})

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.exitCode = report(error)
}
