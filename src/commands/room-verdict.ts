import { type BytePath, showPath } from '../base/byte-path.ts'
import { messageOf } from '../base/errors.ts'
import { formatBytes } from '../base/format.ts'
import type { DataManagerConfig } from '../config/config.ts'
import { type DiskUsage, diskUsageOf, usedFraction } from '../room/disk-usage.ts'

const name = 'disk-full rule'

/** Says whether the disk-full rule is on, when it acts, and how full the disk is now. */
export function roomVerdict(
  { diskFull, captureDir }: Pick<DataManagerConfig, 'diskFull' | 'captureDir'>,
  viamServerRuns: boolean,
  look: (folder: BytePath) => DiskUsage = diskUsageOf,
): ['ok' | 'note', string] {
  if (diskFull === undefined) return ['ok', `${name}: off; no file is removed before it is stored`]
  const { deleteEveryNth, diskUsageThreshold, captureDirThreshold } = diskFull
  const which = deleteEveryNth === 1 ? 'its' : `1 of ${deleteEveryNth} of its`
  const rule =
    `${name}: ON: while the disk is ${percent(diskUsageThreshold)} used, ` +
    `${percent(captureDirThreshold)} of it by ${showPath(captureDir)}, ` +
    `\`longshore run\` removes ${which} capture files WITHOUT uploading them`
  const state = viamServerRuns
    ? '; inactive now: a viam-server runs, which has such a rule of its own'
    : ''
  return ['note', `${rule}; ${usageText(captureDir, look)}${state}`]
}

function usageText(captureDir: BytePath, look: (folder: BytePath) => DiskUsage): string {
  try {
    const usage = look(captureDir)
    return `${percent(usedFraction(usage))} used now, ${formatBytes(usage.availableBytes)} left`
  } catch (error) {
    return `how full it is cannot be told (${messageOf(error)})`
  }
}

function percent(fraction: number): string {
  return `${Math.round(fraction * 1000) / 10}%`
}
