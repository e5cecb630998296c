import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exitCodes } from '../../src/base/errors.ts'

const longshore = fileURLToPath(new URL('../../bin/longshore', import.meta.url))
const startsWithinMs = 30_000
/** A daemon lets uploads under way go on for 10 s. */
const endsWithinMs = 20_000

/** The daemon or the receiver: a process that is ended and started again, with its output in files. */
export class End {
  readonly name: string
  /** What went against all expectation. */
  readonly problems: string[] = []
  readonly #args: readonly string[]
  readonly #logDir: string
  readonly #started: RegExp
  readonly #program: string
  #child: ChildProcess | undefined
  #ending = false
  #starts = 0

  /**
   * @param started - What it prints when it is up; the first group is handed to the caller.
   * @param program - The command, when not the one of this checkout.
   */
  constructor(
    name: string,
    args: readonly string[],
    logDir: string,
    started: RegExp,
    program = longshore,
  ) {
    this.name = name
    this.#args = args
    this.#logDir = logDir
    this.#started = started
    this.#program = program
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get starts(): number {
    return this.#starts
  }

  get logFiles(): string[] {
    const files: string[] = []
    for (let n = 1; n <= this.#starts; n += 1) {
      files.push(join(this.#logDir, `${this.name}-${String(n).padStart(3, '0')}.log`))
    }
    return files
  }

  /** Resolves when it is up. @throws Error when it does not come up */
  async start(): Promise<string | undefined> {
    this.#starts += 1
    const file = this.logFiles.at(-1)!
    let child = this.#spawn(file)
    const deadlineMs = performance.now() + startsWithinMs
    for (;;) {
      const match = this.#started.exec(readFileSync(file, 'utf8'))
      if (match !== null) return match[1]
      if (performance.now() > deadlineMs)
        throw new Error(`${this.name} does not start; see ${file}`)
      if (this.#child !== child) {
        if (child.exitCode !== exitCodes.inUse) return undefined
        // One of somebody else's, which does not answer: it may have a root of ours.
        child = this.#spawn(file)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  #spawn(file: string): ChildProcess {
    const log = openSync(file, 'w')
    const child = spawn(this.#program, this.#args, { stdio: ['ignore', log, log] })
    closeSync(log)
    this.#child = child
    this.#ending = false
    child.once('exit', (code, signal) => {
      if (this.#child === child) this.#child = undefined
      if (this.#ending || code === exitCodes.inUse) return
      this.problems.push(`${this.name} ended by itself (${signal ?? code}); see ${file}`)
    })
    return child
  }

  async kill(): Promise<void> {
    await this.#signal('SIGKILL')
  }

  /** Asks it to end; that it does not, or not with 0, is a problem. */
  async terminate(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const late = setTimeout(() => {
      this.problems.push(
        `${this.name} did not end within ${endsWithinMs} ms of SIGTERM; threads that run: ` +
          `${runningThreads(child.pid!)}; see ${this.logFiles.at(-1)}`,
      )
      child.kill('SIGKILL')
    }, endsWithinMs)
    const status = await this.#signal('SIGTERM')
    clearTimeout(late)
    if (status !== 0 && status !== 'SIGKILL')
      this.problems.push(`${this.name} ended with ${status} after SIGTERM`)
  }

  async #signal(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    const child = this.#child
    if (child === undefined) return 0
    this.#ending = true
    const exited = once(child, 'exit')
    child.kill(signal)
    const [code, by] = await exited
    return code ?? by
  }

  /** What it holds now, from /proc; undefined when it is not running. */
  holds(): Holdings | undefined {
    const { pid } = this
    if (pid === undefined) return undefined
    return {
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: readdirSync(`/proc/${pid}/task`).length,
    }
  }
}

/** Names of the threads that are at work this very moment: one that hangs in native code is. */
function runningThreads(pid: number): string {
  const stats = readdirSync(`/proc/${pid}/task`).map((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1'),
  )
  const names = stats.flatMap((stat) => /\((.*)\) R /.exec(stat)?.[1] ?? [])
  return names.join(', ') || 'none'
}

export interface Holdings {
  readonly descriptors: number
  readonly threads: number
}

/** How often each event was logged. */
export function eventsIn(files: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const file of files) {
    for (const [, event] of readFileSync(file, 'utf8').matchAll(/"event":"([a-z_]+)"/g)) {
      counts.set(event!, (counts.get(event!) ?? 0) + 1)
    }
  }
  return counts
}
