import { workerEntryUrl } from '../../workers/entry-url.ts'
import { type BytePath, bytePath } from '../base/byte-path.ts'
import { systemClock } from '../base/clock.ts'
import type { ConfigNote } from '../config/config.ts'
import { type LoadedConfig, loadConfig } from '../config/load-config.ts'
import { systemRootFacts } from '../config/system-context.ts'
import { unsafeRootReason } from '../config/unsafe-roots.ts'
import { SyncSession } from '../sync/sync-session.ts'
import type { Log } from '../telemetry/log.ts'
import type { CommandContext } from './command.ts'

/** What every command of the device's side begins with. @throws LongshoreError `config_...` */
export function loadDeviceConfig(
  { env, homeDir }: CommandContext,
  configPath: string | undefined,
): Promise<LoadedConfig> {
  return loadConfig({ env, homeDir, ...(configPath !== undefined && { path: configPath }) })
}

export function warnOfNotes({ stderr }: CommandContext, notes: readonly ConfigNote[]): void {
  for (const { keyPath, message } of notes)
    stderr.write(`longshore: note: ${keyPath}: ${message}\n`)
}

/** A session on this configuration. The caller closes it. */
export function openSession(
  { homeDir }: CommandContext,
  { config, path }: LoadedConfig,
  log: Log,
  mode: 'single pass' | 'daemon',
): SyncSession {
  const facts = systemRootFacts(bytePath(path), homeDir)
  const allowed: ReadonlySet<BytePath> = new Set(config.dataManager.allowUnsafeRoots)
  return new SyncSession({
    config,
    workerEntryUrl,
    unsafeReason: (root) => (allowed.has(root) ? undefined : unsafeRootReason(root, facts)),
    clock: systemClock,
    log,
    mode,
  })
}
