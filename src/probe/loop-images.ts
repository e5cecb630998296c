import { type BigIntStats, readdirSync, readFileSync, statSync } from 'node:fs'
import { errnoOf } from '../base/errors.ts'
import { hasVanished } from './proc.ts'

/**
 * The files behind loop devices that can be written to: a mounted image, a swap file. The kernel holds
 * them open, so no process has a descriptor of them.
 *
 * @param blockDevices - `/sys/block`, where the kernel has it.
 */
export function* loopImages(blockDevices: string): Generator<BigIntStats> {
  for (const name of namesIn(blockDevices)) {
    if (!name.startsWith('loop')) continue
    const image = imageOf(`${blockDevices}/${name}`)
    if (image !== undefined) yield image
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (cannotBeSeen(error)) return []
    throw error
  }
}

function imageOf(device: string): BigIntStats | undefined {
  try {
    if (readFileSync(`${device}/ro`, 'latin1').trim() === '1') return undefined
    const path = readFileSync(`${device}/loop/backing_file`).subarray(0, -1)
    return statSync(path, { bigint: true })
  } catch (error) {
    // Not in use, or its file has no name any more, or none that leads there for us.
    if (cannotBeSeen(error)) return undefined
    throw error
  }
}

function cannotBeSeen(error: unknown): boolean {
  const errno = errnoOf(error)
  return hasVanished(error) || errno === 'EACCES' || errno === 'EPERM' || errno === 'ENOTDIR'
}
