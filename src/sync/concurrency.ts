/** How many threads and uploads the daemon runs at once. */
export interface Concurrency {
  readonly threads: number
  /** Uploads that one thread carries at once, at most. */
  readonly uploadsPerThread: number
  /** Uploads of all threads together. */
  readonly uploads: number
  /** How many of all uploads may be large files. */
  readonly singleUploads: number
}

export interface ConcurrencyLimits {
  /** `maximum_num_sync_threads`: a cap, not a count. */
  readonly maxThreads: number
  readonly uploadsInFlight: number | 'auto'
  readonly cores: number
  /** What this process may use: see {@link usableMemoryBytes}. */
  readonly memoryBytes: number
}

const MB = 1_000_000
/** RSS of the daemon without a worker, and what each busy one adds (docs/decisions/0003). */
const mainThreadBytes = 75 * MB
const workerBytes = 40 * MB
/** The robot needs the rest. */
const memoryShare = 0.25
/** 8 MiB of whole bodies on one connection are what Node's HTTP/2 session takes without failing. */
const maxUploadsPerThread = 8
/** Enough to hide the receiver's syncs behind each other; more gained nothing (docs/decisions/0003). */
const autoUploads = 4
const autoUploadsPerThread = 2
const maxUploadsInFlight = 64

/** A fixed choice by what the machine carries. */
export function concurrencyFor(limits: ConcurrencyLimits): Concurrency {
  const { maxThreads, uploadsInFlight, cores, memoryBytes } = limits
  const byMemory = Math.floor((memoryBytes * memoryShare - mainThreadBytes) / workerBytes)
  // The main thread scans and removes, which takes most of a core while small files are on their way.
  const carried = Math.max(1, Math.min(maxThreads, cores - 1, byMemory))
  const wanted =
    uploadsInFlight === 'auto'
      ? Math.max(autoUploads, carried * autoUploadsPerThread)
      : uploadsInFlight
  const capped = Math.max(1, Math.min(wanted, maxUploadsInFlight))
  const threads = Math.min(carried, capped)
  const uploadsPerThread = Math.min(maxUploadsPerThread, Math.ceil(capped / threads))
  const uploads = Math.min(capped, threads * uploadsPerThread)
  return { threads, uploadsPerThread, uploads, singleUploads: singlesOf(uploads) }
}

/**
 * Few large files at a time: of two that share a link, neither is done before both nearly are. And one
 * upload is always left to small files, or they would wait for days behind large ones.
 */
function singlesOf(uploads: number): number {
  return Math.max(1, Math.min(2, uploads - 1))
}

/**
 * The memory of the machine, or the limit of the process's cgroup where that is lower.
 *
 * @param constrainedBytes - As `process.constrainedMemory()` has it: 0 where no limit is known, and
 *   some 2^63 or 2^64 where there is none.
 */
export function usableMemoryBytes(totalBytes: number, constrainedBytes: number): number {
  return constrainedBytes > 0 ? Math.min(totalBytes, constrainedBytes) : totalBytes
}
