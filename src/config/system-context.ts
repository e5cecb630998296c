import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type BytePath, bytePath, fsPath, joinPath, nameOf, parentOf } from '../base/byte-path.ts'
import { realPath } from '../base/real-path.ts'
import { receiverDataMarker } from '../base/receiver-data-marker.ts'
import type { ConfigContext, TextFile } from './context.ts'
import { normalPath } from './paths.ts'
import { decodeText, readSmallFile } from './read-small-file.ts'
import type { RootFacts } from './unsafe-roots.ts'

interface SystemContextOptions {
  readonly configPath: BytePath
  readonly configReadableByOthers: boolean
  readonly homeDir: string
  readonly env: NodeJS.ProcessEnv
}

/** What reading a config needs to know, of the computer this runs on. */
export function systemContext(options: SystemContextOptions): ConfigContext {
  return {
    ...options,
    readFile: readTextFile,
    exists: (path) => existsSync(fsPath(path)),
    list: listFolder,
    resolve: realPath,
    rootFacts: systemRootFacts(options.configPath, options.homeDir),
  }
}

/** What {@link unsafeRootReason} needs to know, of the computer this runs on. */
export function systemRootFacts(configPath: BytePath, homeDir: string): RootFacts {
  const homes = new Set(homeDirsOf(readTextFile(bytePath('/etc/passwd'))))
  if (homeDir.startsWith('/')) homes.add(normalPath(bytePath(homeDir)))
  for (const home of [...homes]) homes.add(realPath(home))
  const ownFiles = [configPath, realPath(configPath), realPath(bytePath(process.execPath))]
  return {
    homeDirs: [...homes],
    ownFiles,
    installation: realPath(installationFolder()),
    isReceiverData: (folder) => existsSync(fsPath(joinPath(folder, receiverDataMarker))),
  }
}

function readTextFile(path: BytePath): TextFile {
  const file = readSmallFile(path)
  if ('failure' in file) return file
  const text = decodeText(file.bytes)
  if (text === undefined) return { failure: 'a file that is not UTF-8' }
  return { text, readableByOthers: file.readableByOthers }
}

function homeDirsOf(passwd: TextFile): BytePath[] {
  if ('failure' in passwd) return []
  return passwd.text
    .split('\n')
    .map((line) => line.split(':')[5] ?? '')
    .filter((home) => home.startsWith('/'))
    .map((home) => normalPath(bytePath(home)))
}

function listFolder(folder: BytePath): BytePath[] {
  try {
    return readdirSync(fsPath(folder), { encoding: 'latin1' }) as BytePath[]
  } catch {
    return []
  }
}

/** The package's folder: this file is in `src/config`, or in `dist/src/config` once built. */
function installationFolder(): BytePath {
  const folder = normalPath(bytePath(fileURLToPath(new URL('../..', import.meta.url))))
  return nameOf(folder) === 'dist' ? parentOf(folder) : folder
}
