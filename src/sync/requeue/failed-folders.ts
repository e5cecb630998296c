import { type Dirent, lstatSync, opendirSync } from 'node:fs'
import { type BytePath, fsPath, joinPath } from '../../base/byte-path.ts'
import { systemClock } from '../../base/clock.ts'
import { errnoOf } from '../../base/errors.ts'
import { receiverDataMarker } from '../../base/receiver-data-marker.ts'
import { Slice } from '../../base/slice.ts'
import { reasonTexts } from '../../scan/candidate.ts'
import { exists } from '../../scan/exists.ts'
import { isOtherMount, mountPoints } from '../../scan/mount-points.ts'
import { datasetFolderName, failedFolderName } from '../quarantine/place.ts'

export interface WalkOptions {
  /** Folders that are walked on their own, or not at all. */
  readonly notEntered: ReadonlySet<BytePath>
  readonly isStopped: () => boolean
  /** Told of what is not looked into, and why. */
  readonly onLeft: (path: BytePath, why: string) => void
}

/**
 * All folders named `failed` from `start` downwards, as a scan would come across them: links are not
 * followed, other mounts and receivers' data not entered. Gives the event loop a turn now and then.
 */
export async function* failedFolders(
  start: BytePath,
  { notEntered, isStopped, onLeft }: WalkOptions,
): AsyncGenerator<BytePath> {
  const { dev } = lstatSync(fsPath(start), { bigint: true })
  const mounts = mountPoints()
  const slice = new Slice(systemClock)
  const known = [start]
  for (let path = known.pop(); path !== undefined && !isStopped(); path = known.pop()) {
    try {
      const stats = lstatSync(fsPath(path), { bigint: true })
      if (path !== start && isOtherMount(path, stats.dev, dev, mounts)) {
        onLeft(path, reasonTexts.other_mount)
        continue
      }
      if (exists(joinPath(path, receiverDataMarker))) {
        onLeft(path, reasonTexts.receiver_data)
        continue
      }
      for (const entry of entriesOf(path)) {
        const below = joinPath(path, entry.name)
        if (entry.name === failedFolderName) {
          if (entry.isDirectory()) yield below
          else if (entry.isSymbolicLink()) onLeft(below, reasonTexts.symbolic_link)
        } else if (
          entry.isDirectory() &&
          entry.name !== datasetFolderName &&
          !notEntered.has(below)
        ) {
          known.push(below)
        }
        if (slice.isOver()) await slice.next()
        if (isStopped()) return
      }
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      if (errno !== 'ENOENT') onLeft(path, `cannot be looked into (${errno})`)
    }
  }
}

/** The entries of a folder, one after the other: there may be a million. */
export function* entriesOf(folder: BytePath): Generator<Dirent> {
  const dir = opendirSync(fsPath(folder), { encoding: 'latin1' as BufferEncoding })
  try {
    for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) yield entry
  } finally {
    dir.closeSync()
  }
}
