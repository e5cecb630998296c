import { join, resolve } from 'node:path'
import { bytePath, showPath } from '../base/byte-path.ts'
import { LongshoreError } from '../base/errors.ts'
import type { Config, ConfigNote } from './config.ts'
import { showProblem } from './findings.ts'
import { findJsonError } from './json-errors.ts'
import { parseConfig } from './parse-config.ts'
import { decodeText, readSmallFile } from './read-small-file.ts'
import { systemContext } from './system-context.ts'

export interface LoadConfigOptions {
  /** Of `--config`; relative to the working directory. */
  readonly path?: string
  readonly env: NodeJS.ProcessEnv
  /** Of the account; empty when it has none. */
  readonly homeDir: string
}

export interface LoadedConfig {
  readonly config: Config
  /** Absolute. */
  readonly path: string
  readonly notes: readonly ConfigNote[]
}

/**
 * Finds, reads and checks the config file.
 *
 * Throws a {@link LongshoreError}: `config_not_found` names the places it looked in,
 * `config_unreadable` and `config_not_json` what is wrong with the file, `config_invalid` all
 * problems, one a line. None of their texts quotes a secret.
 */
export async function loadConfig(options: LoadConfigOptions): Promise<LoadedConfig> {
  const { path, text, readableByOthers } = readFirst(configPlaces(options))
  const shown = showPath(bytePath(path))
  const parsed = parseConfig(
    parseJson(text, shown),
    systemContext({
      configPath: bytePath(path),
      configReadableByOthers: readableByOthers,
      homeDir: options.homeDir,
      env: options.env,
    }),
  )
  if ('config' in parsed) return { ...parsed, path }
  const { problems } = parsed
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  const lines = problems.map((problem) => `  ${showProblem(problem)}`)
  throw new LongshoreError('config_invalid', `${shown} has ${count}:\n${lines.join('\n')}`, {
    hint: 'docs/configuration.md describes every attribute',
  })
}

/** Where the config file is looked for, best first. A place that a person named is the only one. */
export function configPlaces({ path, env, homeDir }: LoadConfigOptions): string[] {
  if (path !== undefined) return [resolve(path)]
  const named = env.LONGSHORE_CONFIG
  if (named !== undefined && named !== '') return [resolve(named)]
  const places = ['/etc/longshore/config.json']
  if (homeDir.startsWith('/')) places.push(join(homeDir, '.config/longshore/config.json'))
  return places
}

/** Reads the first of the files that exists; one that exists but cannot be read is an error. */
export function readFirst(places: readonly string[]): {
  readonly path: string
  readonly text: string
  readonly readableByOthers: boolean
} {
  for (const path of places) {
    const file = readSmallFile(bytePath(path))
    const shown = showPath(bytePath(path))
    if ('bytes' in file) {
      const text = decodeText(file.bytes)
      if (text !== undefined) return { path, text, readableByOthers: file.readableByOthers }
      throw new LongshoreError('config_not_json', `${shown} is not UTF-8`, {
        hint: 'save it as UTF-8',
      })
    }
    if (file.errno === 'ENOENT' || file.errno === 'ENOTDIR') continue
    throw new LongshoreError('config_unreadable', `${shown} is ${file.failure}`, {
      hint: 'the config is a file of JSON that the account of Longshore may read',
    })
  }
  const looked = places.map((path) => showPath(bytePath(path))).join(', ')
  throw new LongshoreError('config_not_found', `no config file; looked for ${looked}`, {
    hint: 'name it with --config FILE, or make one: longshore receiver machine add prints it',
  })
}

function parseJson(text: string, shown: string): unknown {
  if (text.trim() === '') {
    throw new LongshoreError('config_not_json', `${shown} is empty`, {
      hint: 'longshore receiver machine add prints a complete config file',
    })
  }
  if (text.startsWith('\ufeff')) {
    throw new LongshoreError('config_not_json', `${shown} begins with a byte order mark`, {
      hint: 'save it as UTF-8 without one',
    })
  }
  const error = findJsonError(text)
  if (error === undefined) return JSON.parse(text)
  const { line, column, message } = error
  const where = `${shown}, line ${line}, column ${column}`
  throw new LongshoreError('config_not_json', `${where}: ${message}`, {
    hint: 'the config file is JSON',
  })
}
