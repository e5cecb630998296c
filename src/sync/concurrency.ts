/** How many threads and uploads the daemon runs at once. */
export interface Concurrency {
  readonly threads: number
  /** Uploads that one thread carries at once. */
  readonly uploadsPerThread: number
  /** How many of all uploads may be large files. */
  readonly singleUploads: number
}

export interface ConcurrencyLimits {
  /** `maximum_num_sync_threads`: a cap, not a count. */
  readonly maxThreads: number
  readonly uploadsInFlight: number | 'auto'
  readonly cores: number
  /** What this process may use: the machine's memory, or its cgroup's. */
  readonly memoryBytes: number
}

const MB = 1_000_000
/** RSS of the daemon without a worker, and what each loaded worker adds (docs/decisions/0003). */
const mainThreadBytes = 60 * MB
const workerBytes = 28 * MB
/** The robot needs the rest. */
const memoryShare = 0.25
/** 8 MiB of whole bodies on one connection are what Node's HTTP/2 session takes without failing. */
const maxUploadsPerThread = 8
const autoUploadsPerThread = 4
const maxUploadsInFlight = 64

/** A fixed choice by what the machine carries. */
export function concurrencyFor(limits: ConcurrencyLimits): Concurrency {
  const { maxThreads, uploadsInFlight, cores, memoryBytes } = limits
  const byMemory = Math.floor((memoryBytes * memoryShare - mainThreadBytes) / workerBytes)
  const carried = Math.max(1, Math.min(maxThreads, cores, byMemory))
  if (uploadsInFlight === 'auto') {
    return withSingles(carried, autoUploadsPerThread)
  }
  const wanted = Math.min(uploadsInFlight, maxUploadsInFlight)
  const threads = Math.min(carried, wanted)
  return withSingles(threads, Math.min(maxUploadsPerThread, Math.floor(wanted / threads)))
}

/** Few large files at a time: of two that share a link, neither is done before both nearly are. */
function withSingles(threads: number, uploadsPerThread: number): Concurrency {
  return { threads, uploadsPerThread, singleUploads: Math.min(2, threads * uploadsPerThread) }
}
