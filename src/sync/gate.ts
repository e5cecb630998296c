import type { DataManagerConfig } from '../config/config.ts'

/** Why the config lets nothing be synced now, for people; undefined when it does. */
export function whyGateIsShut(
  config: Pick<DataManagerConfig, 'syncDisabled' | 'selectiveSyncerName'>,
): string | undefined {
  if (config.syncDisabled) return 'paused: sync_disabled is true in the config'
  const name = config.selectiveSyncerName
  if (name !== undefined) {
    return `selective_syncer_name names ${JSON.stringify(name)}, and this version supports no triggers: nothing is synced until it is removed`
  }
  return undefined
}
