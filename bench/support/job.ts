import type { Round } from './compare.ts'
import { machineCpuSeconds, resetPeakRss, type Usage, usageOfAll } from './proc.ts'
import { type TimedRun, type TimedRunOptions, timedRun } from './timed-run.ts'

export interface Job extends TimedRunOptions {
  readonly command: string
  readonly args: readonly string[]
  /** What the timed process is called in the findings. */
  readonly role: string
  /** Servers that work for it meanwhile, by what they are called. */
  readonly servers?: Readonly<Record<string, readonly number[]>>
}

/** Times one process, and measures what it and its servers use meanwhile. */
export async function timedJob(
  job: Job,
): Promise<{ readonly run: TimedRun; readonly round: Round }> {
  const servers = Object.entries(job.servers ?? {})
  for (const pid of servers.flatMap(([, pids]) => pids)) resetPeakRss(pid)
  const before = servers.map(([, pids]) => usageOfAll(pids))
  const machineBefore = machineCpuSeconds()
  const selfBefore = process.cpuUsage()
  const run = await timedRun(job.command, job.args, job)
  const self = process.cpuUsage(selfBefore)
  const machine = machineCpuSeconds()
  const processes: Record<string, Usage> = { [job.role]: run.usage }
  for (const [index, [role, pids]] of servers.entries()) {
    processes[role] = since(before[index]!, usageOfAll(pids))
  }
  const own = Object.values(processes).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0)
  const all = machine.busy - machineBefore.busy + (machine.stolen - machineBefore.stolen)
  return {
    run,
    round: {
      elapsedMs: run.elapsedMs,
      processes,
      strangersCpuSeconds: Math.max(0, all - own - (self.user + self.system) / 1e6),
    },
  }
}

function since(before: Usage, after: Usage): Usage {
  return {
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    peakRssBytes: after.peakRssBytes,
    writtenBytes: after.writtenBytes - before.writtenBytes,
  }
}
