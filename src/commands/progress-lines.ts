import { nameOf, showPath } from '../base/byte-path.ts'
import { formatBytes, formatCount, formatFiles } from '../base/format.ts'
import type { Config } from '../config/config.ts'
import type { SyncSession } from '../sync/sync-session.ts'
import type { UploadView } from '../sync/uploader.ts'
import { progressBar, RateMeter } from '../telemetry/progress-view.ts'

const rates = new WeakMap<SyncSession, { readonly files: RateMeter; readonly bytes: RateMeter }>()
const uploadsShown = 4

/** The lines of the live view: totals, what waits, and the uploads under way. */
export function progressLines(session: SyncSession, { cloud }: Config): string[] {
  const { stats, uploader } = session
  let meters = rates.get(session)
  if (meters === undefined) {
    meters = { files: new RateMeter(), bytes: new RateMeter() }
    rates.set(session, meters)
  }
  const nowMs = performance.now()
  const files = stats.stored + stats.alreadyStored
  const fileRate = formatCount(meters.files.perSecond(files, nowMs))
  const byteRate = formatBytes(meters.bytes.perSecond(stats.bytes, nowMs))
  const uploads = uploader.uploads()
  const waiting = `${formatFiles(uploader.waitingFiles)}, ${formatBytes(uploader.waitingBytes)}`
  const lines = [
    `to ${cloud.address.host}: ${formatFiles(files)}, ${formatBytes(stats.bytes)} stored; ${fileRate} files/s, ${byteRate}/s`,
    `waiting: ${waiting}; under way: ${uploads.length} uploads on ${session.threads} threads`,
  ]
  const failure = uploader.linkFailure
  if (failure !== undefined) lines.push(`holding: ${failure.detail}`)
  const large = uploads.filter((upload) => upload.files === 1 && upload.sizeBytes > 1_048_576)
  lines.push(...large.slice(0, uploadsShown).map(uploadLine))
  return lines
}

function uploadLine({ path, sizeBytes, sentBytes }: UploadView): string {
  const share = sizeBytes === 0 ? 1 : Math.min(1, sentBytes / sizeBytes)
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  return `  ${progressBar(share, 20)} ${percent} of ${formatBytes(sizeBytes)}  ${showPath(nameOf(path))}`
}
