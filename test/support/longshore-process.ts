import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const longshore = fileURLToPath(new URL('../../bin/longshore', import.meta.url))

export interface Finished {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** The program, when not the one of this checkout. */
  readonly program?: string
}

export interface StartOptions extends RunOptions {
  /** What starts the program, such as `prlimit --nofile=64`. It keeps its process id. */
  readonly launcher?: readonly string[]
  /** Whose process it is, where this one may choose. */
  readonly uid?: number
}

/** Runs one command of Longshore to its end, whatever that is. */
export function longshoreRun(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { env = {}, cwd, program = longshore } = options
  return new Promise((resolve) => {
    const settings = { maxBuffer: 1024 ** 3, env: { ...process.env, ...env }, cwd }
    execFile(program, args, settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : (error.code as unknown)
      resolve({ status: typeof code === 'number' ? code : null, stdout, stderr })
    })
  })
}

/** What a command that must succeed printed on stdout. @throws Error with its stderr */
export async function longshoreCommand(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await longshoreRun(args)
  if (status === 0) return stdout
  throw new Error(`longshore ${args.join(' ')} ended with status ${status}:\n${stderr}`)
}

export interface RunningProcess {
  readonly pid: number
  /** Everything it has printed so far. */
  stdout(): string
  stderr(): string
  /** Resolves when its stdout or stderr matches. Rejects when it ends before that. */
  printed(pattern: RegExp): Promise<RegExpExecArray>
  /** Sends a signal and resolves with the exit status when it has ended. */
  end(signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts a command that goes on until it is ended. */
export function longshoreStart(
  args: readonly string[],
  options: StartOptions = {},
): RunningProcess {
  const { launcher = [], program = longshore, env, cwd, uid } = options
  const [command, ...rest] = [...launcher, program, ...args]
  const child = spawn(command!, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    cwd,
    ...(uid !== undefined && { uid, gid: uid }),
  })
  const out = collect(child.stdout)
  const err = collect(child.stderr)
  return {
    pid: child.pid!,
    stdout: out,
    stderr: err,
    printed: (pattern) => whenPrinted(child, () => `${out()}\n${err()}`, pattern),
    end: async (signal = 'SIGTERM') => {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
      return child.exitCode
    },
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = ''
  stream.on('data', (bytes: Buffer) => {
    text += bytes.toString('utf8')
  })
  return () => text
}

function whenPrinted(
  child: ChildProcess,
  text: () => string,
  pattern: RegExp,
): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const match = pattern.exec(text())
      if (match !== null) resolve(match)
      return match !== null
    }
    if (look()) return
    child.stdout!.on('data', look)
    child.stderr!.on('data', look)
    child.once('error', reject)
    child.once('close', (code) => {
      if (!look()) reject(new Error(`ended with status ${code}, having printed:\n${text()}`))
    })
  })
}

/** A receiver in a process of its own, over TLS on a free port of loopback. */
export interface ReceiverProcess extends RunningProcess {
  readonly dataDir: string
  /** By the name localhost, whatever it listens on. */
  readonly address: string
}

/** @throws Error with what it said when it does not start */
export async function startReceiverProcess(
  dataDir: string,
  args: readonly string[] = [],
  options: StartOptions = {},
): Promise<ReceiverProcess> {
  const listen = ['--data', dataDir, '--listen', '127.0.0.1:0']
  const running = longshoreStart(['receiver', 'start', ...listen, ...args], options)
  const [, address] = await running.printed(/listening on (\S+)\n/)
  return { ...running, dataDir, address: address!.replace('127.0.0.1', 'localhost') }
}

/** Admits a machine and writes its config file, with these attributes of the data manager. */
export async function writeMachineConfig(
  file: string,
  receiver: { readonly dataDir: string; readonly address: string },
  machine: string,
  attributes: Readonly<Record<string, unknown>>,
): Promise<void> {
  const where = ['--data', receiver.dataDir, '--address', receiver.address]
  const config = JSON.parse(await longshoreCommand('receiver', 'machine', 'add', machine, ...where))
  Object.assign(config.services[0].attributes, attributes)
  await writeFile(file, JSON.stringify(config, undefined, 2), { mode: 0o600 })
}

/** Changes a config file in place. */
export async function editConfig(
  file: string,
  // biome-ignore lint/suspicious/noExplicitAny: whatever a person may write into a config
  edit: (config: any) => void,
): Promise<void> {
  const config = JSON.parse(await readFile(file, 'utf8'))
  edit(config)
  await writeFile(file, JSON.stringify(config, undefined, 2))
}
