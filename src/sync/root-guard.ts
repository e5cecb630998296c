import { statSync } from 'node:fs'
import { type BytePath, fsPath, isAtOrBelow, showPath } from '../base/byte-path.ts'
import type { Clock } from '../base/clock.ts'
import { errnoOf, LongshoreError, messageOf } from '../base/errors.ts'
import { overlaps, realPath, realPathOfExisting } from '../base/real-path.ts'
import { lockRoot, type RootLock } from '../probe/root-lock.ts'
import { findViamServers, type ViamServer } from '../probe/viam-server.ts'
import type { Root } from '../scan/candidate.ts'

export type RootState =
  | { readonly state: 'ready'; readonly root: Root }
  | {
      readonly state: 'missing' | 'unreadable' | 'unsafe' | 'viam_server' | 'in_use'
      readonly root: Root
      /** For people. */
      readonly why: string
    }

export interface RootGuardOptions {
  /** `capture_dir` first. */
  readonly configured: readonly BytePath[]
  /** Why a path must not be a root, or undefined: asked again for roots that appear later. */
  readonly unsafeReason: (path: BytePath) => string | undefined
  readonly clock: Clock
  readonly findViamServers?: typeof findViamServers
  /** Of the locks; tests have their own. */
  readonly lockNamespace?: string
}

const viamServersGoodForMs = 30_000

/**
 * Says which roots may be worked on now, and keeps other daemons off them. Asked before every scan:
 * disks are mounted late, and a viam-server may be started at any time.
 */
export class RootGuard {
  readonly #options: RootGuardOptions
  readonly #locks = new Map<BytePath, RootLock>()
  #viamServers: readonly ViamServer[] = []
  #viamLookedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: RootGuardOptions) {
    this.#options = options
  }

  /** True when a viam-server was found on this machine, whatever it does. */
  get viamServerRuns(): boolean {
    return this.#viamServers.length > 0
  }

  /** One state for each root of its own; a root named twice is one. */
  async look(): Promise<readonly RootState[]> {
    await this.#lookForViamServers()
    const seen = new Set<BytePath>()
    const states: RootState[] = []
    // Outer roots first: their lock covers the inner ones.
    const roots = this.#options.configured.map(resolveRoot)
    const outerFirst = [...roots].sort((a, b) => a.root.path.length - b.root.path.length)
    for (const resolved of outerFirst) {
      if (seen.has(resolved.root.path)) continue
      seen.add(resolved.root.path)
      states.push(await this.#stateOf(resolved))
    }
    // Of a root that is named twice the first place counts: a later entry of a Map would win.
    const order = new Map(roots.map(({ root }, index) => [root.path, index] as const).reverse())
    return states.sort((a, b) => order.get(a.root.path)! - order.get(b.root.path)!)
  }

  async release(): Promise<void> {
    const locks = [...this.#locks.values()]
    this.#locks.clear()
    for (const lock of locks) await lock.release()
  }

  async #stateOf({ root, failure }: ResolvedRoot): Promise<RootState> {
    if (failure === 'ENOENT') return { state: 'missing', root, why: 'it does not exist (yet)' }
    if (failure !== undefined) return { state: 'unreadable', root, why: unreadableText(failure) }
    const unsafe = this.#options.unsafeReason(root.path)
    if (unsafe !== undefined) return { state: 'unsafe', root, why: unsafe }
    const viam = this.#viamServers.find((server) => worksOn(server, root))
    if (viam !== undefined) return { state: 'viam_server', root, why: viamText(viam) }
    return this.#lock(root)
  }

  async #lock(root: Root): Promise<RootState> {
    for (const locked of this.#locks.keys()) {
      if (isAtOrBelow(root.path, locked)) return { state: 'ready', root }
    }
    // An outer root that appears later takes the place of the inner ones that are locked already.
    for (const [path, lock] of this.#locks) {
      if (!isAtOrBelow(path, root.path)) continue
      this.#locks.delete(path)
      await lock.release()
    }
    const { clock, lockNamespace } = this.#options
    const options = lockNamespace === undefined ? { clock } : { clock, namespace: lockNamespace }
    try {
      this.#locks.set(root.path, await lockRoot(root.path, options))
      return { state: 'ready', root }
    } catch (error) {
      if (error instanceof LongshoreError) return { state: 'in_use', root, why: error.message }
      if (errnoOf(error) === undefined) throw error
      return { state: 'unreadable', root, why: messageOf(error) }
    }
  }

  async #lookForViamServers(): Promise<void> {
    const { clock } = this.#options
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#viamLookedAtMs < viamServersGoodForMs) return
    this.#viamServers = await (this.#options.findViamServers ?? findViamServers)({ clock })
    this.#viamLookedAtMs = nowMs
  }
}

interface ResolvedRoot {
  readonly root: Root
  /** The errno of what kept it from being resolved. */
  readonly failure: string | undefined
}

function resolveRoot(configured: BytePath): ResolvedRoot {
  try {
    const root = { path: realPathOfExisting(configured), configured }
    return { root, failure: statSync(fsPath(root.path)).isDirectory() ? undefined : 'ENOTDIR' }
  } catch (error) {
    const failure = errnoOf(error)
    if (failure === undefined) throw error
    return { root: { path: realPath(configured), configured }, failure }
  }
}

function unreadableText(errno: string): string {
  return errno === 'ENOTDIR' ? 'it is not a folder' : `it cannot be read (${errno})`
}

function worksOn(server: ViamServer, root: Root): boolean {
  if (server.syncEnabled === false) return false
  return server.directories.some((directory) => overlaps(directory, root.path))
}

function viamText({ pid, syncEnabled, directories }: ViamServer): string {
  const where = directories.map(showPath).join(', ')
  const does = syncEnabled === true ? 'syncs' : 'may sync'
  return `viam-server (process ${pid}) ${does} ${where}: turn Syncing off in its data manager`
}
