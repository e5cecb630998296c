import { type BytePath, bytePath, joinPath, parentOf, showPath } from '../base/byte-path.ts'
import { attributes } from './attributes.ts'
import { readCloud } from './cloud.ts'
import type {
  Config,
  ConfigNote,
  ConfigProblem,
  DataManagerConfig,
  DiskFullConfig,
} from './config.ts'
import type { ConfigContext } from './context.ts'
import { describeValue, type Findings, isJsonObject, type JsonObject } from './findings.ts'
import type { PathBase } from './paths.ts'
import { type BlockValues, readBlock } from './read-block.ts'
import { findDataManager } from './services.ts'
import { unsafeRootReason } from './unsafe-roots.ts'

export type ParsedConfig =
  | { readonly config: Config; readonly notes: readonly ConfigNote[] }
  | { readonly problems: readonly ConfigProblem[] }

/**
 * Checks a config and fills in the defaults. Finds all problems there are, not only the first; no
 * text in the result quotes a secret. What it knows of the computer, it knows from `context`.
 */
export function parseConfig(json: unknown, context: ConfigContext): ParsedConfig {
  const findings: Findings = { problems: [], notes: [] }
  if (!isJsonObject(json)) {
    const found = describeValue(json, true)
    return { problems: [{ keyPath: 'the whole file', expected: 'an object', found }] }
  }
  const base = { homeDir: context.homeDir, configDir: parentOf(context.configPath) }
  const { cloud, files } = readCloud(json.cloud, context, base, findings)
  const service = findDataManager(json, findings)
  const dataManager =
    service && readDataManager(service.attributes, service.keyPath, context, base, files, findings)
  if (findings.problems.length > 0 || cloud === undefined || dataManager === undefined) {
    return { problems: findings.problems }
  }
  return { config: { cloud, dataManager }, notes: findings.notes }
}

function readDataManager(
  json: JsonObject,
  keyPath: string,
  context: ConfigContext,
  base: PathBase,
  cloudFiles: readonly BytePath[],
  findings: Findings,
): DataManagerConfig {
  const { values, isSet } = readBlock(
    attributes.dataManager,
    json,
    { keyPath, strict: false, base },
    findings,
  )
  const ownKeyPath = `${keyPath}.longshore`
  const { values: own } = readBlock(
    attributes.longshore,
    isJsonObject(values.longshore) ? values.longshore : {},
    { keyPath: ownKeyPath, strict: true, base },
    findings,
  )
  const captureDir: BytePath | undefined = values.capture_dir
  const roots: [keyPath: string, root: BytePath][] = []
  if (captureDir !== undefined) roots.push([`${keyPath}.capture_dir`, captureDir])
  for (const [i, path] of values.additional_sync_paths.entries()) {
    // Where an item was wrong there is a hole.
    if (path !== undefined) roots.push([`${keyPath}.additional_sync_paths[${i}]`, path])
  }
  checkRoots(
    roots,
    own.allow_unsafe_roots,
    `${ownKeyPath}.allow_unsafe_roots`,
    context,
    cloudFiles,
    findings,
  )
  if (!isSet('capture_dir')) checkDefaultCaptureDir(captureDir, keyPath, context, findings)

  return {
    captureDir: values.capture_dir,
    additionalSyncPaths: values.additional_sync_paths,
    syncIntervalMs: Math.trunc(values.sync_interval_mins * 60_000),
    syncDisabled: values.sync_disabled,
    maximumNumSyncThreads: values.maximum_num_sync_threads,
    quietMs: values.file_last_modified_millis,
    selectiveSyncerName: values.selective_syncer_name,
    tags: [...new Set(values.tags)],
    uploadsInFlight: own.uploads_in_flight,
    allowUnsafeRoots: own.allow_unsafe_roots,
    removeEmptyFolders: own.remove_empty_folders,
    diskFull: readDiskFull(values),
  }
}

/** Viam's builtin/config.go, except that none of it is on unless one of the three is set. */
function readDiskFull(
  values: BlockValues<typeof attributes.dataManager>,
): DiskFullConfig | undefined {
  const nth = values.delete_every_nth_when_disk_full
  const used = values.disk_usage_deletion_threshold
  const captured = values.capture_dir_deletion_threshold
  if (nth === undefined && used === undefined && captured === undefined) return undefined
  return {
    deleteEveryNth: nth ?? 5,
    diskUsageThreshold: used ?? 0.9,
    captureDirThreshold: captured ?? 0.5,
  }
}

function checkRoots(
  roots: readonly [keyPath: string, root: BytePath][],
  allowed: readonly BytePath[],
  allowedKeyPath: string,
  context: ConfigContext,
  cloudFiles: readonly BytePath[],
  findings: Findings,
): void {
  const ownFiles = [...context.rootFacts.ownFiles, ...cloudFiles.map(context.resolve)]
  const facts = { ...context.rootFacts, ownFiles }
  const resolvedRoots = roots.map(([keyPath, root]) => [keyPath, context.resolve(root)] as const)
  for (const [keyPath, root] of resolvedRoots) {
    const reason = unsafeRootReason(root, facts)
    if (reason === undefined || allowed.includes(root)) continue
    const path = `"${showPath(root)}"`
    findings.problems.push({
      keyPath,
      expected: 'a folder whose files may be removed once they are stored',
      found: `${path}: ${reason}`,
      hint: `if all in it may go, add ${path} to ${allowedKeyPath}`,
    })
  }
  for (const [i, path] of allowed.entries()) {
    if (path === undefined || resolvedRoots.some(([, root]) => root === path)) continue
    const message = `no root is ${showPath(path)}: this entry has no effect`
    findings.notes.push({ keyPath: `${allowedKeyPath}[${i}]`, message })
  }
}

/** A service account that does not see the files which viam-server captures, as root or as pi. */
function checkDefaultCaptureDir(
  captureDir: BytePath | undefined,
  keyPath: string,
  context: ConfigContext,
  findings: Findings,
): void {
  const expected = `the folder that viam-server captures to`
  const capture = `${keyPath}.capture_dir`
  if (captureDir === undefined) {
    const found = 'nothing, and no home directory for the default'
    findings.problems.push({ keyPath: capture, expected, found })
    return
  }
  if (context.exists(captureDir)) return
  const homes = context.list(bytePath('/home')).map((name) => joinPath(bytePath('/home'), name))
  const others = [bytePath('/root'), ...homes]
    .map((home) => joinPath(home, '.viam/capture'))
    .filter(context.exists)
  if (others.length === 0) return
  const missing = `nothing, and the default ${showPath(captureDir)} does not exist`
  const found = `${missing}, but there is ${others.map(showPath).join(' and ')}`
  findings.problems.push({ keyPath: capture, expected, found, hint: 'set capture_dir' })
}
