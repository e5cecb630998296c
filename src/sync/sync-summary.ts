import { formatBytes, formatCount, formatFiles } from '../base/format.ts'
import type { HeldCounts } from './held-files.ts'
import type { SyncStats } from './sync-stats.ts'

/** One line on what has been done so far. */
export function summaryOf(stats: SyncStats): string {
  const parts = [`${formatFiles(stats.stored)} stored, ${formatBytes(stats.bytes)}`]
  if (stats.alreadyStored > 0) parts.push(`${formatCount(stats.alreadyStored)} already stored`)
  if (stats.rejected > 0) parts.push(`${formatCount(stats.rejected)} rejected`)
  if (stats.quarantined > 0) parts.push(`${formatCount(stats.quarantined)} quarantined`)
  if (stats.retried > 0) parts.push(`${formatCount(stats.retried)} tries failed`)
  if (stats.evicted > 0) parts.push(`${formatCount(stats.evicted)} evicted without upload`)
  return parts.join('; ')
}

/** What is held now, to follow a summary; empty when nothing is. */
export function heldText({ files, folders }: HeldCounts): string {
  if (files + folders === 0) return ''
  const folderText = folders === 1 ? '1 whole folder' : `${formatCount(folders)} whole folders`
  return `; ${formatFiles(files)}${folders === 0 ? '' : ` and ${folderText}`} to be tried again later`
}
