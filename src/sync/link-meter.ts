import { bundlePayloadBytes, maxFilesPerMessage } from '../wire/limits.ts'
import type { BundleLimits } from './work-queue.ts'

/** A bundle that breaks off is sent again from its start: so it may take this long at most. */
const bundleSeconds = 5
const smallestBundleBytes = 16 * 1024
/** Until the link has been measured. */
const firstBundleBytes = 256 * 1024
const smoothing = 0.3

/** Measures how fast uploads are acknowledged, for the size of bundles. */
export class LinkMeter {
  #bytesPerMs: number | undefined

  /** One upload of `sizeBytes` took `durationMs` while `uploads` shared the link. */
  measured(sizeBytes: number, durationMs: number, uploads: number): void {
    const bytesPerMs = (sizeBytes * uploads) / Math.max(durationMs, 1)
    this.#bytesPerMs =
      this.#bytesPerMs === undefined
        ? bytesPerMs
        : this.#bytesPerMs * (1 - smoothing) + bytesPerMs * smoothing
  }

  /** The largest bundle that takes 5 s when `uploads` share the link. */
  bundleLimits(uploads: number): BundleLimits {
    const bytes =
      this.#bytesPerMs === undefined
        ? firstBundleBytes
        : (this.#bytesPerMs * bundleSeconds * 1000) / uploads
    const payloadBytes = Math.min(bundlePayloadBytes, Math.max(smallestBundleBytes, bytes))
    return { payloadBytes, files: maxFilesPerMessage }
  }
}
