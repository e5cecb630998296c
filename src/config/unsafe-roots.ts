import { type BytePath, isAtOrBelow, joinPath, parentOf, showPath } from '../base/byte-path.ts'
import { receiverDataMarker } from '../base/receiver-data-marker.ts'

/** What there is on this computer that must not be synced away. Paths without symbolic links. */
export interface RootFacts {
  /** From /etc/passwd, and of the account that asks. */
  readonly homeDirs: readonly BytePath[]
  /** The config file and what it names, and the running executable. */
  readonly ownFiles: readonly BytePath[]
  /** The folder that Longshore is installed in. */
  readonly installation: BytePath
  /** Looks for {@link receiverDataMarker} in this folder. */
  readonly isReceiverData: (folder: BytePath) => boolean
}

const systemTrees = '/bin /boot /dev /etc /lib /lib32 /lib64 /proc /run /sbin /sys /usr'.split(
  ' ',
) as BytePath[]
/** Below these lie memory disks and the mounts of removable media, which may well be roots. */
const opensWithinSystemTrees = '/dev/shm /run/media'.split(' ') as BytePath[]
const sharedFolders = '/dev/shm /home /opt /run/media /tmp /var /var/lib /var/tmp'.split(
  ' ',
) as BytePath[]

/**
 * Why everything below this folder must not be uploaded and then removed, or undefined when it may.
 * Decides for the path without symbolic links; `allow_unsafe_roots` is for the caller to consult.
 */
export function unsafeRootReason(root: BytePath, facts: RootFacts): string | undefined {
  if (!root.startsWith('/')) return 'it is a relative path'
  if (root === '/') return 'it is the whole file system'
  if (sharedFolders.includes(root)) return 'it is shared by much else'
  const opens = opensWithinSystemTrees.some((open) => isAtOrBelow(root, open))
  if (!opens && systemTrees.some((tree) => isAtOrBelow(root, tree))) {
    return 'it belongs to the operating system'
  }
  if (facts.homeDirs.includes(root) || parentOf(root) === '/home') {
    return 'it is the home directory of an account'
  }
  const home = facts.homeDirs.find((dir) => isAtOrBelow(dir, root))
  if (home !== undefined) return `it contains the home directory ${showPath(home)}`
  const own = [...facts.ownFiles, facts.installation].find((path) => isAtOrBelow(path, root))
  if (own !== undefined) return `it contains ${showPath(own)}, which Longshore itself needs`
  if (isAtOrBelow(root, facts.installation)) return 'Longshore is installed there'
  for (let folder = root; folder !== '/'; folder = parentOf(folder)) {
    if (!facts.isReceiverData(folder)) continue
    return `it is a receiver's data: ${showPath(joinPath(folder, receiverDataMarker))} exists`
  }
  return undefined
}
