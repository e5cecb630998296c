import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { endedChildrenCpuSeconds, type Usage, usageOf, writtenBytes } from './proc.ts'

export interface TimedRun {
  readonly elapsedMs: number
  readonly usage: Usage
  readonly stdout: string
}

export interface TimedRunOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly timeoutMs?: number
}

const samplePeakEveryMs = 20
const defaultTimeoutMs = 300_000

/**
 * Runs one command and times it from the start of its process to its exit. CPU time and bytes written
 * are exact: the kernel adds those of a child to its parent's. So only one may run at a time. The peak
 * of its memory is sampled.
 *
 * @throws Error when it fails or takes longer than `timeoutMs`; then it is killed.
 */
export async function timedRun(
  command: string,
  args: readonly string[],
  options: TimedRunOptions = {},
): Promise<TimedRun> {
  const cpuBefore = endedChildrenCpuSeconds()
  const writtenBefore = writtenBytes('self')
  const startedAtMs = performance.now()
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: options.env ?? process.env,
    timeout: options.timeoutMs ?? defaultTimeoutMs,
    killSignal: 'SIGKILL',
  })
  let endedAtMs = 0
  child.once('exit', () => {
    endedAtMs = performance.now()
  })
  const killWithUs = () => child.kill('SIGKILL')
  process.once('exit', killWithUs)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4000)
  })
  let peakRssBytes = 0
  const sampler = setInterval(() => {
    const usage = child.pid === undefined ? undefined : usageOf(child.pid)
    if (usage !== undefined) peakRssBytes = Math.max(peakRssBytes, usage.peakRssBytes)
  }, samplePeakEveryMs)
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    if (code !== 0) {
      throw new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}:\n${stderr}`)
    }
  } finally {
    clearInterval(sampler)
    process.off('exit', killWithUs)
  }
  return {
    elapsedMs: endedAtMs - startedAtMs,
    usage: {
      cpuSeconds: endedChildrenCpuSeconds() - cpuBefore,
      peakRssBytes,
      writtenBytes: writtenBytes('self') - writtenBefore,
    },
    stdout,
  }
}
