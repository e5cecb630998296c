import { formatBytes, formatCount, formatFiles } from '../base/format.ts'
import type { SyncStats } from './sync-stats.ts'

/** One line on what has been done so far. */
export function summaryOf(stats: SyncStats): string {
  const parts = [`${formatFiles(stats.stored)} stored, ${formatBytes(stats.bytes)}`]
  if (stats.alreadyStored > 0) parts.push(`${formatCount(stats.alreadyStored)} already stored`)
  if (stats.rejected > 0) parts.push(`${formatCount(stats.rejected)} rejected`)
  if (stats.quarantined > 0) parts.push(`${formatCount(stats.quarantined)} quarantined`)
  if (stats.retried > 0) parts.push(`${formatCount(stats.retried)} tries failed`)
  return parts.join('; ')
}
