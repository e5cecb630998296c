const pooledBytes = 1_536 * 1024

/**
 * Buffers for the messages of bundles, used again and again: one and a half megabytes per bundle as
 * garbage would have the thread hold many times what is under way.
 */
export class BundleBuffers {
  readonly #free: Buffer[] = []

  /** At least `sizeBytes` long. The caller gives it back, or drops it. */
  take(sizeBytes: number): Buffer {
    if (sizeBytes > pooledBytes) return Buffer.allocUnsafeSlow(sizeBytes)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(pooledBytes)
  }

  /** Only when nothing can read from it any more. */
  giveBack(buffer: Buffer): void {
    if (buffer.length === pooledBytes) this.#free.push(buffer)
  }
}
