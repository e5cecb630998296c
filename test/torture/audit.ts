import { lookIsGoodForMs, type OwnedFile, type TakenWhileOpen, type Version } from './owned-file.ts'
import type { ReceiverHoldings, StoredVersion } from './stored.ts'

export interface AuditInput {
  readonly files: readonly OwnedFile[]
  readonly holdings: ReceiverHoldings
  /** What is at a path of the device now; undefined for nothing. */
  readonly onDevice: (path: string) => Version | undefined
  /** Regular files on the device that nobody owns. */
  readonly strangers: readonly string[]
}

export interface AuditReport {
  readonly violations: readonly string[]
  /** Versions that had to be at the receiver, and were. */
  readonly arrived: number
  /** Stored versions that a later change of the owner made obsolete before they could be demanded. */
  readonly superseded: number
  /**
   * Files that were taken away within the second for which a look at open writers is good: the owner
   * had opened them after the look.
   */
  readonly takenInWindow: readonly TakenWhileOpen[]
}

/**
 * Compares what every file was with what the receiver holds. Each version that only the daemon can have
 * taken away must be there, once; what is there must have been a state of that file; nothing else may
 * have happened to the device.
 */
export function audit({ files, holdings, onDevice, strangers }: AuditInput): AuditReport {
  const violations: string[] = []
  const byPath = new Map<string, StoredVersion[]>()
  for (const version of holdings.versions) {
    const versions = byPath.get(version.path)
    if (versions === undefined) byPath.set(version.path, [version])
    else versions.push(version)
    if (version.digest !== version.digestOfBytes) {
      violations.push(`damaged: ${version.path}: ${show(version)}, its bytes are another`)
    }
  }
  let arrived = 0
  const takenInWindow: TakenWhileOpen[] = []
  for (const file of files) {
    const { path } = file
    const stored = byPath.get(path) ?? []
    byPath.delete(path)
    const keys = new Set(stored.map(keyOf))
    if (keys.size < stored.length) violations.push(`doubled: ${path}: ${stored.map(show)}`)
    const had = new Set(file.had.map(keyOf))
    for (const version of stored) {
      if (!had.has(keyOf(version))) violations.push(`never was so: ${path}: ${show(version)}`)
    }
    const demanded = [...file.must]
    const { current } = file
    const now = onDevice(path)
    if (current !== undefined && now === undefined) demanded.push([current])
    if (now !== undefined && now.sizeBytes > 0) {
      const isItself = current !== undefined && keyOf(current) === keyOf(now)
      violations.push(
        `${isItself ? 'left on the device' : 'is another file'}: ${path}: ${show(now)}`,
      )
    }
    for (const alternatives of demanded) {
      if (alternatives.some((version) => keys.has(keyOf(version)))) arrived += 1
      else violations.push(`lost: ${path}: ${alternatives.map(show).join(' or ')}`)
    }
    for (const taken of file.taken) {
      const { stillThereAfterMs } = taken
      if (stillThereAfterMs <= lookIsGoodForMs) takenInWindow.push(taken)
      else {
        const after = `${Math.round(stillThereAfterMs)} ms after it was opened`
        violations.push(`taken while its owner wrote to it, later than ${after}: ${path}`)
      }
    }
    if (file.takenEmpty > 0) violations.push(`taken while it was empty: ${path}`)
  }
  for (const path of byPath.keys()) violations.push(`stored, but was never made: ${path}`)
  for (const path of strangers) violations.push(`on the device, but nobody put it there: ${path}`)
  violations.push(...leftOvers(holdings))
  return {
    violations,
    arrived,
    superseded: holdings.versions.length - arrived,
    takenInWindow,
  }
}

/** Unfinished uploads of versions that are stored: nobody will ever finish them. */
function leftOvers({ versions, unfinished }: ReceiverHoldings): string[] {
  const stored = new Set(
    versions.map(({ path, mtimeNs, sizeBytes }) => [path, mtimeNs, sizeBytes].join()),
  )
  return unfinished
    .filter(({ path, mtimeNs, sizeBytes }) => stored.has([path, mtimeNs, sizeBytes].join()))
    .map(({ path }) => `left over at the receiver: an unfinished upload of the stored ${path}`)
}

function keyOf({ mtimeNs, sizeBytes, digest }: Version): string {
  return `${mtimeNs} ${sizeBytes} ${digest}`
}

function show({ mtimeNs, sizeBytes, digest }: Version): string {
  return `${sizeBytes} bytes of ${mtimeNs}, ${digest.slice(0, 8)}`
}
