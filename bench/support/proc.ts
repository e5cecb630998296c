import { readFileSync, writeFileSync } from 'node:fs'

/** What a process has used up, from /proc. Times are user and system together. */
export interface Usage {
  readonly cpuSeconds: number
  /** The high-water mark of its resident memory. */
  readonly peakRssBytes: number
  /** What it caused to be written to disks (`write_bytes` of proc(5)). */
  readonly writtenBytes: number
}

/** USER_HZ, which is 100 on every architecture that Linux's /proc speaks to us from. */
const ticksPerSecond = 100

/** Usage of a live process since its start. Undefined when it is gone, or may not be looked into. */
export function usageOf(pid: number | 'self'): Usage | undefined {
  try {
    const stat = statFields(pid)
    return {
      cpuSeconds: (stat[11]! + stat[12]!) / ticksPerSecond,
      peakRssBytes: kibOf(readFileSync(`/proc/${pid}/status`, 'latin1'), /^VmHWM:\s+(\d+) kB$/m),
      writtenBytes: writtenBytes(pid),
    }
  } catch {
    return undefined
  }
}

/** What several processes used up together, such as a master and its workers. */
export function usageOfAll(pids: readonly number[]): Usage {
  const usages = pids.flatMap((pid) => usageOf(pid) ?? [])
  return {
    cpuSeconds: usages.reduce((sum, usage) => sum + usage.cpuSeconds, 0),
    peakRssBytes: usages.reduce((sum, usage) => sum + usage.peakRssBytes, 0),
    writtenBytes: usages.reduce((sum, usage) => sum + usage.writtenBytes, 0),
  }
}

/** CPU seconds of children that have ended and been waited for. */
export function endedChildrenCpuSeconds(): number {
  const stat = statFields('self')
  return (stat[13]! + stat[14]!) / ticksPerSecond
}

/** Of this process and of its children that have been waited for: the kernel adds them up. */
export function writtenBytes(pid: number | 'self'): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1])
}

/** Makes the present memory of a process its high-water mark again. */
export function resetPeakRss(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // Without the right to do it the mark of earlier rounds stays, which can only look worse.
  }
}

/** CPU seconds that all processes of this machine have used; what a hypervisor took counts as well. */
export function machineCpuSeconds(): { readonly busy: number; readonly stolen: number } {
  const line = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]!
  const [user, nice, system, , , irq, softirq, steal] = line.split(/\s+/).slice(1).map(Number)
  return {
    busy: (user! + nice! + system! + irq! + softirq!) / ticksPerSecond,
    stolen: steal! / ticksPerSecond,
  }
}

/** The children of a process, such as a server's workers. */
export function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim()
  return children === '' ? [] : children.split(' ').map(Number)
}

/** Fields of /proc/PID/stat after the name in parentheses: index 0 is field 3 of proc(5). */
function statFields(pid: number | 'self'): number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
}

function kibOf(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0) * 1024
}
