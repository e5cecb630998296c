import { statSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { type BytePath, fsPath, pathBytes, showPath } from '../base/byte-path.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { errnoOf, LongshoreError } from '../base/errors.ts'
import { overlaps, realPathOfExisting } from '../base/real-path.ts'
import { askHolder, type Holder, type HolderAnswer, otherHolders } from './root-lock-peers.ts'

/** The right to sync a root. Held until released or until the process ends, however it ends. */
export interface RootLock {
  /** The root as it was locked: without symbolic links. */
  readonly root: BytePath
  /** False where /proc/net/unix is hidden: then only this very root is guarded, not its overlaps. */
  readonly seesOthers: boolean
  /** Gives the root free. May be called more than once. */
  release(): Promise<void>
}

export interface LockRootOptions {
  readonly procRoot?: string
  readonly clock?: Clock
  /** Locks exclude each other only within a namespace; tests have their own. */
  readonly namespace?: string
  /** How long a holder may take to answer. */
  readonly askTimeoutMs?: number
  /** How long another that is starting too, or does not answer, is waited for. */
  readonly patienceMs?: number
}

const retryAfterMs = 20

/**
 * Makes this process the only one that syncs `path`, anything below it or anything above it. The
 * lock is an abstract unix socket named after the directory's identity: nothing is written to the
 * disk, and the kernel frees it with the process. It guards within one network namespace, against
 * mistakes, not against malice.
 *
 * Each first listens, then looks who else does, so of two that start at once at least one sees the
 * other; the one with the greater name gives way. Locks of this process exclude each other too:
 * when roots change, release before locking. Throws `root_in_use`, and the system's error when the
 * root does not exist.
 */
export async function lockRoot(path: BytePath, options: LockRootOptions = {}): Promise<RootLock> {
  const { clock = systemClock, namespace = 'longshore/root' } = options
  const { procRoot = '/proc', askTimeoutMs = 500, patienceMs = 2000 } = options
  const root = realPathOfExisting(path)
  const { dev, ino } = statSync(fsPath(root), { bigint: true })
  const name = `${namespace}/${dev}:${ino}`
  const answer: HolderAnswer = { pid: process.pid, root, state: 'starting' }
  const door = await openDoor(name, answer, askTimeoutMs)
  try {
    const giveUpAtMs = clock.monotonicMs() + patienceMs
    for (;;) {
      const holders = await otherHolders({ procRoot, namespace, name, askTimeoutMs })
      const inTheWay = holders?.filter((holder) => mayOverlap(holder, root, dev)) ?? []
      if (inTheWay.length === 0) {
        answer.state = 'held'
        return { root, seesOthers: holders !== undefined, release: () => door.close() }
      }
      const winner = inTheWay.find((holder) => hasPriority(holder, name))
      if (winner !== undefined) throw rootInUse(root, winner)
      if (clock.monotonicMs() >= giveUpAtMs) throw rootInUse(root, inTheWay[0])
      await clock.sleep(retryAfterMs)
    }
  } catch (error) {
    await door.close()
    throw error
  }
}

/** One that does not answer can only be below a root, for us, when it is on the same file system. */
function mayOverlap({ name, answer }: Holder, root: BytePath, dev: bigint): boolean {
  if (answer !== undefined) return overlaps(answer.root, root)
  return name.slice(name.lastIndexOf('/') + 1).startsWith(`${dev}:`)
}

function hasPriority({ name, answer }: Holder, ownName: string): boolean {
  return answer?.state === 'held' || (answer?.state === 'starting' && name < ownName)
}

function rootInUse(root: BytePath, holder: Holder | undefined): LongshoreError {
  const answer = holder?.answer
  if (answer === undefined) {
    return new LongshoreError(
      'root_in_use',
      `${showPath(root)}: another Longshore on this machine holds this root, or one that may ` +
        `overlap it, and does not answer${holder === undefined ? '' : ` (@${holder.name})`}`,
      { hint: 'Find it with "ss -xlp | grep longshore", stop it, and start again.' },
    )
  }
  return new LongshoreError(
    'root_in_use',
    `${showPath(root)} is already synced by another Longshore: ` +
      `process ${answer.pid}, root ${showPath(answer.root)}`,
    { hint: `Stop process ${answer.pid}, or take the root out of one of the two config files.` },
  )
}

interface Door {
  close(): Promise<void>
}

const bindAttempts = 5

async function openDoor(name: string, answer: HolderAnswer, askTimeoutMs: number): Promise<Door> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listen(name, answer)
    } catch (error) {
      if (errnoOf(error) !== 'EADDRINUSE') throw error
      const holder = await askHolder(name, askTimeoutMs)
      // Gone between our two questions, or going: the name may be free again.
      if (attempt < bindAttempts && (holder === 'gone' || holder.answer === undefined)) continue
      throw rootInUse(answer.root, holder === 'gone' ? undefined : holder)
    }
  }
}

async function listen(name: string, answer: HolderAnswer): Promise<Door> {
  const open = new Set<Socket>()
  const server: Server = createServer((socket) => {
    open.add(socket)
    socket.unref()
    socket.on('close', () => open.delete(socket))
    // Whoever asked and went away has had its answer.
    socket.on('error', () => socket.destroy())
    const root = pathBytes(answer.root).toString('base64')
    socket.write(`${JSON.stringify({ ...answer, root })}\n`)
    socket.destroySoon()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(`\0${name}`, () => {
      server.off('error', reject)
      resolve()
    })
  })
  // A failing accept (no descriptors left) must not end the daemon: the name stays taken.
  server.on('error', () => undefined)
  server.unref()
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}
