import { bundlePayloadBytes } from '../wire/limits.ts'
import type { ShardKind } from './work-queue.ts'

/** What is under way and what waits, when there may be room for another upload. */
export interface UploadState {
  readonly bundleWaits: boolean
  readonly singleWaits: boolean
  /** Uploads under way, and how many of them are large files. */
  readonly inFlight: number
  readonly singles: number
  readonly bytesInFlight: number
  /** How many there may be. */
  readonly uploads: number
  readonly singleUploads: number
  /** This one finds out whether the receiver can be reached again. */
  readonly isProbe: boolean
  readonly lastStarted: ShardKind | undefined
}

/** Read and not yet acknowledged, in the whole daemon. */
const maxBytesInFlight = 32 * 1024 * 1024
/** A large file counts with its buffers, not with its size. */
export const singleUploadBytes = 2 * 1024 * 1024

/**
 * What to start next, if anything. Neither kind waits for the other: large files have their share of
 * the uploads and come first in it, small ones have the rest.
 */
export function nextUpload(state: UploadState): ShardKind | undefined {
  const { inFlight, uploads, singles, singleUploads, bytesInFlight } = state
  if (inFlight >= uploads) return undefined
  const bundle =
    state.bundleWaits && bytesInFlight + bundlePayloadBytes <= maxBytesInFlight
      ? 'bundle'
      : undefined
  const hasRoomForSingle =
    singles < singleUploads && bytesInFlight + singleUploadBytes <= maxBytesInFlight
  if (!state.singleWaits || !hasRoomForSingle) return bundle
  // A probe is to be answered soon; and where there is one upload at a time, they take turns.
  const isSmallOnesTurn = state.isProbe || (uploads === 1 && state.lastStarted === 'single')
  return isSmallOnesTurn ? (bundle ?? 'single') : 'single'
}
