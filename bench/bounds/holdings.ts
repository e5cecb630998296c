import { readdirSync, readFileSync } from 'node:fs'

/** What a process holds at one moment. */
export interface Holdings {
  readonly rssBytes: number
  /** The high-water mark of its resident memory since it was started. */
  readonly peakRssBytes: number
  readonly descriptors: number
  readonly threads: number
}

/** From /proc; undefined when the process is gone, or is about to be: then it has no memory any more. */
export function holdingsOf(pid: number): Holdings | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    if (!status.includes('VmRSS:')) return undefined
    return {
      rssBytes: numberIn(status, /^VmRSS:\s+(\d+) kB$/m) * 1024,
      peakRssBytes: numberIn(status, /^VmHWM:\s+(\d+) kB$/m) * 1024,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: numberIn(status, /^Threads:\s+(\d+)$/m),
    }
  } catch {
    return undefined
  }
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0)
}
