import { readFileSync, statSync } from 'node:fs'
import { type BytePath, bytePath, fsPath, joinPath, showPath } from '../base/byte-path.ts'
import { messageOf } from '../base/errors.ts'
import { readLink } from '../base/real-path.ts'

/** What of a process decides about its sync. */
export interface ViamProcess {
  /** Its folder in /proc. */
  readonly folder: BytePath
  /** One char per byte. */
  readonly argv: readonly string[]
  readonly home: BytePath | undefined
}

export interface ViamSyncPlan {
  /** `unknown` where the config cannot be read: to be treated as true. */
  readonly syncEnabled: boolean | 'unknown'
  /** The directories it syncs, or would if sync were enabled. */
  readonly directories: readonly BytePath[]
  /** One sentence on where this is known from, or why it is not, without a full stop. */
  readonly why: string
}

/**
 * Finds out what a viam-server syncs: from its `-config` file or, where that names a cloud, from the
 * copy of the cloud's config that it keeps in ~/.viam (rdk, config/reader.go). Never throws.
 */
export function viamSyncPlan(process: ViamProcess): ViamSyncPlan {
  try {
    const configFile = configFileOf(process)
    const config = readJson(process, configFile)
    const cloud = objectOf(config.cloud)
    if (cloud === undefined) return planOf(process, config, configFile)
    const cached = cachedConfigFile(process, cloud.id)
    return planOf(process, readJson(process, cached), cached)
  } catch (error) {
    return { syncEnabled: 'unknown', directories: defaults(process), why: messageOf(error) }
  }
}

type Json = Readonly<Record<string, unknown>>

const maxConfigBytes = 16 * 1024 * 1024

function planOf(process: ViamProcess, config: Json, file: BytePath): ViamSyncPlan {
  const services = Array.isArray(config.services) ? config.services.map(objectOf) : []
  const managers = services.filter(
    (service) => service?.type === 'data_manager' || service?.api === 'rdk:service:data_manager',
  )
  if (managers.length === 0) {
    return { syncEnabled: false, directories: [], why: `${showPath(file)} has no data manager` }
  }
  const attributes = managers.map((manager) => objectOf(manager?.attributes) ?? {})
  const isEnabled = attributes.some((one) => one.sync_disabled !== true)
  const why = `sync is ${isEnabled ? 'enabled' : 'disabled'} in ${showPath(file)}`
  const directories = attributes.flatMap((one) => directoriesOf(process, one))
  const known = directories.filter((directory) => directory !== undefined)
  if (known.length === directories.length) {
    return { syncEnabled: isEnabled, directories: known, why }
  }
  return {
    syncEnabled: isEnabled ? 'unknown' : false,
    directories: [...known, ...defaults(process)],
    why: `${why}, but not all of its directories can be told from here`,
  }
}

const defaultCaptureDir = '~/.viam/capture'

/** As rdk takes them: a leading ~ means the home directory in capture_dir alone. */
function directoriesOf(process: ViamProcess, attributes: Json): (BytePath | undefined)[] {
  const { capture_dir: captureDir, additional_sync_paths: additional } = attributes
  const isSet = typeof captureDir === 'string' && captureDir !== ''
  const paths = Array.isArray(additional) ? additional : []
  return [
    captureDirectory(process, isSet ? captureDir : defaultCaptureDir),
    ...paths
      .filter((path) => typeof path === 'string' && path !== '')
      .map((path) => knownDirectory(process, path)),
  ]
}

function captureDirectory(process: ViamProcess, text: string): BytePath | undefined {
  if (!text.startsWith('~')) return knownDirectory(process, text)
  if (process.home === undefined) return undefined
  const below = knownDirectory(process, `/${text.slice(1)}`)
  return below === undefined ? undefined : ((process.home + below) as BytePath)
}

/** rdk replaces `${environment.X}` when it reads the file; from outside that cannot be followed. */
function knownDirectory(process: ViamProcess, text: string): BytePath | undefined {
  return text.includes('${') ? undefined : absolute(process, bytePath(text))
}

function absolute(process: ViamProcess, path: BytePath): BytePath | undefined {
  if (path.startsWith('/')) return path
  const folder = readLink(joinPath(process.folder, 'cwd'))
  return folder === undefined ? undefined : joinPath(folder, path)
}

function defaults(process: ViamProcess): BytePath[] {
  const directory = captureDirectory(process, defaultCaptureDir)
  return directory === undefined ? [] : [directory]
}

/** Go's flag package: `-config F`, `--config F`, `-config=F`, `--config=F`; the last one counts. */
function configFileOf(process: ViamProcess): BytePath {
  let file: string | undefined
  for (const [index, part] of process.argv.entries()) {
    if (/^--?config$/.test(part)) file = process.argv[index + 1]
    else file = /^--?config=(.*)$/s.exec(part)?.[1] ?? file
  }
  if (file === undefined || file === '') throw new Error('its command line names no config file')
  const path = absolute(process, file as BytePath)
  if (path === undefined) {
    throw new Error(`its config file ${showPath(file as BytePath)} is relative to a hidden folder`)
  }
  return path
}

function cachedConfigFile(process: ViamProcess, id: unknown): BytePath {
  if (typeof id !== 'string' || id === '' || id.includes('/')) {
    throw new Error('its config file names a cloud without a usable id')
  }
  if (process.home === undefined) throw new Error('the home directory of its user is not known')
  return joinPath(process.home, `.viam/cached_cloud_config_${bytePath(id)}.json`)
}

function readJson(process: ViamProcess, path: BytePath): Json {
  try {
    const file = fsPath(asSeenBy(process, path))
    const stat = statSync(file)
    // Reading a pipe would wait for ever.
    if (!stat.isFile() || stat.size > maxConfigBytes) throw new Error('it is not a config file')
    const value = objectOf(JSON.parse(readFileSync(file, 'utf8')))
    if (value === undefined) throw new Error('it is not a JSON object')
    return value
  } catch (error) {
    throw new Error(`cannot read ${showPath(path)}: ${messageOf(error)}`)
  }
}

/** In a container the same path is another file; where we may, we look through its eyes. */
function asSeenBy(process: ViamProcess, path: BytePath): BytePath {
  const root = joinPath(process.folder, 'root')
  return readLink(root) === undefined ? path : ((root + path) as BytePath)
}

function objectOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : undefined
}
