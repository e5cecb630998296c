import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

/** The machine that was measured, and what ran on it. */
export interface MachineFacts {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly kernel: string
  readonly arch: string
  readonly node: string
  readonly commit: string
  /** The file system below the temp folder. */
  readonly fileSystem: string
  readonly load1: number
}

export function machineFacts(folder: string): MachineFacts {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    arch: process.arch,
    node: process.version,
    commit: commit(),
    fileSystem: output('findmnt', ['-n', '-f', '-o', 'FSTYPE,OPTIONS', '-T', folder]).replace(
      / +/,
      ' ',
    ),
    load1: loadavg()[0]!,
  }
}

export function machineLine(facts: MachineFacts): string {
  const memory = `${(facts.memoryBytes / 2 ** 30).toFixed(0)} GiB`
  return (
    `${facts.cpu}, ${facts.cores} cores, ${memory}, ${facts.arch}, Linux ${facts.kernel}, ` +
    `${facts.fileSystem}, Node ${facts.node}, commit ${facts.commit}, load ${facts.load1.toFixed(2)}`
  )
}

function commit(): string {
  const name = output('git', ['rev-parse', '--short', 'HEAD'])
  const changed = output('git', ['status', '--porcelain', '--', 'src', 'workers', 'bin'])
  return changed === '' ? name : `${name} and uncommitted changes`
}

function output(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}
