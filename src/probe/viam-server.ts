import { readFileSync, statSync } from 'node:fs'
import { type BytePath, nameOf } from '../base/byte-path.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { errnoOf } from '../base/errors.ts'
import { realPath } from '../base/real-path.ts'
import { Slice } from '../base/slice.ts'
import { pidsIn, readProcFile } from './proc.ts'
import { type ViamProcess, type ViamSyncPlan, viamSyncPlan } from './viam-sync-plan.ts'

/** A viam-server on this machine, and what it syncs. */
export interface ViamServer extends ViamSyncPlan {
  readonly pid: number
}

export interface FindViamServersOptions {
  readonly procRoot?: string
  readonly passwdFile?: string
  readonly clock?: Clock
}

/**
 * Finds every viam-server that can be seen, with the directories that it syncs (resolved, so that
 * `overlaps` can compare them with a resolved root). Two daemons that upload and remove the same
 * files get in each other's way, so whoever finds an overlap where `syncEnabled` is not false should
 * leave that root alone. Throws only when /proc cannot be read at all.
 */
export async function findViamServers(options: FindViamServersOptions = {}): Promise<ViamServer[]> {
  const { procRoot = '/proc', passwdFile = '/etc/passwd', clock = systemClock } = options
  const found: ViamServer[] = []
  const slice = new Slice(clock)
  for (const pid of pidsIn(procRoot)) {
    const process = readViamProcess(`${procRoot}/${pid}`, passwdFile)
    if (process !== undefined) {
      const plan = viamSyncPlan(process)
      const directories = [...new Set(plan.directories.map(realPath))]
      found.push({ pid: Number(pid), ...plan, directories })
    }
    if (slice.isOver()) await slice.next()
  }
  return found
}

/** `viam-server`, or a release as it is downloaded, such as `viam-server-stable-aarch64`. */
const serverName = /^viam-server(-[\w.+-]*)?$/

/** These carry the program they run as their first argument. */
const interpreterName = /^(env|sh|ash|bash|dash|busybox|qemu-\w+(-static)?|ld-linux[\w.-]*)$/

/** Decides by the name the kernel keeps (at most 15 bytes) and by the command line. */
export function isViamServer(comm: string, argv: readonly string[]): boolean {
  if (serverName.test(comm)) return true
  const [program = '', script = ''] = argv.slice(0, 2).map((part) => nameOf(part as BytePath))
  return serverName.test(program) || (interpreterName.test(program) && serverName.test(script))
}

function readViamProcess(folder: string, passwdFile: string): ViamProcess | undefined {
  const comm = attempt(() => readProcFile(`${folder}/comm`, 64).trimEnd())
  if (comm === undefined) return undefined
  const argv = attempt(() => readProcFile(`${folder}/cmdline`, 16 * 1024).split('\0')) ?? []
  if (!isViamServer(comm, argv)) return undefined
  const uid = attempt(() => statSync(folder).uid)
  return { folder: folder as BytePath, argv, home: homeOf(folder, uid, passwdFile) }
}

/** rdk takes HOME (utils.PlatformHomeDir); where that is hidden from us, the user's home it is. */
function homeOf(folder: string, uid: number | undefined, passwdFile: string): BytePath | undefined {
  const environment = attempt(() => readFileSync(`${folder}/environ`, 'latin1').split('\0')) ?? []
  const home = environment.find((line) => line.startsWith('HOME=/'))?.slice('HOME='.length)
  if (home !== undefined) return home as BytePath
  const users = attempt(() => readFileSync(passwdFile, 'latin1')) ?? ''
  const user = users.split('\n').find((line) => line.split(':')[2] === String(uid))
  return user?.split(':')[5] as BytePath | undefined
}

/** What `read` gives, or undefined when the system refuses it (process gone, not ours to see). */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}
