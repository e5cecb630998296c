import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type ConcurrencyLimits,
  concurrencyFor,
  usableMemoryBytes,
} from '../../src/sync/concurrency.ts'

const MB = 1_000_000
const pi: ConcurrencyLimits = {
  maxThreads: 1000,
  uploadsInFlight: 'auto',
  cores: 4,
  memoryBytes: 4000 * MB,
}

describe('concurrency', () => {
  const table: readonly [string, Partial<ConcurrencyLimits>, [number, number, number, number]][] = [
    // threads, uploads per thread, uploads, large ones among them
    ['of a Pi with four cores and 4 GB', {}, [3, 2, 6, 2]],
    ['of two cores and 1 GB', { cores: 2, memoryBytes: 1000 * MB }, [1, 4, 4, 2]],
    ['of two cores and 512 MB', { cores: 2, memoryBytes: 512 * MB }, [1, 4, 4, 2]],
    ['of two cores and no memory to speak of', { cores: 2, memoryBytes: 64 * MB }, [1, 4, 4, 2]],
    ['of two cores with 250 threads allowed', { cores: 2, maxThreads: 250 }, [1, 4, 4, 2]],
    ['of a machine with 64 cores', { cores: 64, memoryBytes: 256_000 * MB }, [63, 2, 64, 2]],
    ['of four cores with one thread allowed', { maxThreads: 1 }, [1, 4, 4, 2]],
    ['of one upload at a time', { uploadsInFlight: 1 }, [1, 1, 1, 1]],
    ['of two uploads: one is left to small files', { uploadsInFlight: 2 }, [2, 1, 2, 1]],
    ['of three uploads on two cores', { uploadsInFlight: 3, cores: 2 }, [1, 3, 3, 2]],
    ['of 16 uploads', { uploadsInFlight: 16 }, [3, 6, 16, 2]],
    ['of 64 uploads', { uploadsInFlight: 64 }, [3, 8, 24, 2]],
    ['of 1000 uploads on 16 cores', { uploadsInFlight: 1000, cores: 16 }, [15, 5, 64, 2]],
  ]
  for (const [when, limits, [threads, uploadsPerThread, uploads, singleUploads]] of table) {
    test(when, () => {
      assert.deepEqual(concurrencyFor({ ...pi, ...limits }), {
        threads,
        uploadsPerThread,
        uploads,
        singleUploads,
      })
    })
  }

  test('always fits: uploads into threads, large ones into uploads, threads into the cap', () => {
    for (const cores of [1, 2, 3, 7, 128]) {
      for (const uploadsInFlight of ['auto', 1, 2, 3, 5, 17, 63, 64, 65] as const) {
        for (const memoryBytes of [0, 300 * MB, 1e12]) {
          for (const maxThreads of [1, 2, 1000]) {
            const limits = { cores, uploadsInFlight, memoryBytes, maxThreads }
            const got = concurrencyFor(limits)
            const where = JSON.stringify({ limits, got })
            assert.ok(got.threads >= 1 && got.threads <= Math.min(cores, maxThreads), where)
            assert.ok(got.uploads >= got.threads && got.uploads <= 64, where)
            assert.ok(got.uploads <= got.threads * got.uploadsPerThread, where)
            assert.ok(got.uploadsPerThread <= 8, where)
            assert.ok(got.singleUploads >= 1 && got.singleUploads <= got.uploads, where)
            assert.ok(got.uploads === 1 || got.singleUploads < got.uploads, where)
            if (uploadsInFlight !== 'auto') assert.ok(got.uploads <= uploadsInFlight, where)
          }
        }
      }
    }
  })
})

describe('the memory that may be used', () => {
  test('is the machine’s where no limit is known or set', () => {
    assert.equal(usableMemoryBytes(512 * MB, 0), 512 * MB)
    assert.equal(usableMemoryBytes(512 * MB, 2 ** 64), 512 * MB)
    assert.equal(usableMemoryBytes(512 * MB, 2 ** 63 - 4096), 512 * MB)
  })

  test('is the limit of the cgroup where that is lower', () => {
    assert.equal(usableMemoryBytes(8000 * MB, 300 * MB), 300 * MB)
  })
})
