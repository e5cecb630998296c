import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

const readyWithinMs = 15_000
const endWithinMs = 15_000

/** A server of its own process, ended by its pid and never left behind. */
export class Background implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #kill: () => void
  #stderr = ''

  private constructor(command: string, args: readonly string[], env?: NodeJS.ProcessEnv) {
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: env ?? process.env,
    })
    // Not SIGKILL: a master that is killed leaves its workers behind.
    this.#kill = () => this.#child.kill('SIGTERM')
    process.once('exit', this.#kill)
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000)
    })
  }

  /** Starts a server that prints a line when it serves; resolves with what the pattern captured. */
  static async start(
    command: string,
    args: readonly string[],
    readyLine: RegExp,
    env?: NodeJS.ProcessEnv,
  ): Promise<{ readonly server: Background; readonly ready: RegExpExecArray }> {
    const server = new Background(command, args, env)
    try {
      return { server, ready: await server.#readyLine(command, readyLine) }
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Starts a server that prints nothing. The caller finds out when it serves. */
  static startSilent(command: string, args: readonly string[]): Background {
    const server = new Background(command, args)
    server.#child.stdout!.resume()
    return server
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** What it last said on stderr. */
  get stderr(): string {
    return this.#stderr
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** SIGTERM, and SIGKILL when that does not help. */
  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#kill)
    if (this.hasEnded) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), endWithinMs)
    await ended
    clearTimeout(timer)
  }

  #readyLine(command: string, pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      let stdout = ''
      const timer = setTimeout(() => {
        reject(new Error(`${command} was not ready in ${readyWithinMs} ms:\n${this.#stderr}`))
      }, readyWithinMs)
      this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        stdout = (stdout + text).slice(-4000)
        const match = pattern.exec(stdout)
        if (match === null) return
        clearTimeout(timer)
        resolve(match)
      })
      this.#child.once('error', reject)
      this.#child.once('exit', (code) => {
        clearTimeout(timer)
        reject(new Error(`${command} ended with ${code} before it was ready:\n${this.#stderr}`))
      })
    })
  }
}
