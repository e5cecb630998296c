import { type BytePath, isAtOrBelow } from '../../base/byte-path.ts'
import { errnoOf, LongshoreError } from '../../base/errors.ts'
import { realPath } from '../../base/real-path.ts'
import { lockRoot, type RootLock } from '../../probe/root-lock.ts'
import { exists } from '../../scan/exists.ts'

/** Not that of the daemons: a requeue and a daemon work side by side. */
export const requeueNamespace = 'longshore/requeue'

/**
 * Makes this the only requeue below these roots, see `putBack`. Resolves with what gives them free.
 * Throws `root_in_use`.
 */
export async function lockOutOtherRequeues(
  roots: readonly BytePath[],
): Promise<() => Promise<void>> {
  const real = [...new Set(roots.map(realPath))].filter(isThere)
  // Locks of one process exclude each other too, and an outer one covers the inner.
  const outer = real.filter((path) => {
    return !real.some((other) => other !== path && isAtOrBelow(path, other))
  })
  const locks: RootLock[] = []
  const release = async () => {
    for (const lock of locks) await lock.release()
  }
  try {
    for (const root of outer) {
      locks.push(await lockRoot(root, { namespace: requeueNamespace }))
    }
  } catch (error) {
    await release()
    if (!(error instanceof LongshoreError)) throw error
    throw new LongshoreError('root_in_use', 'another longshore requeue is running', {
      hint: 'Wait until it has ended.',
      cause: error,
    })
  }
  return release
}

/** One that may not be looked at is not worked on: requeue reports that. */
function isThere(root: BytePath): boolean {
  try {
    return exists(root)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return false
  }
}
