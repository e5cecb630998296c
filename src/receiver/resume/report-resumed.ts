import type { Log } from '../../telemetry/log.ts'
import type { MessageFacts } from './large-messages.ts'
import type { Complete, ResumableUpload } from './resumable-upload.ts'

/** What breaks have cost: the bytes that arrived more than once are the difference. */
export function reportResumed(
  log: Log,
  { machine, uploadId }: MessageFacts,
  { requests, arrivedBytes, hasBrokenOff }: ResumableUpload,
  { messageBytes }: Complete,
): void {
  if (!hasBrokenOff) return
  log.info('upload_resumed', 'an upload that had broken off is complete', {
    machine,
    upload: uploadId,
    requests,
    bytes: messageBytes,
    arrived_bytes: arrivedBytes,
  })
}
