import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import { replaceFile } from '../identity/durable-file.ts'
import type { Damage } from '../store/recovery.ts'

export function knownDamageFile(dataFolder: string): string {
  return join(dataFolder, 'known-damage.json')
}

/**
 * The places that the last rebuild could not read, and gave up: what the catalog holds is whole without
 * them. It only informs; without it they are reported again.
 */
export async function writeKnownDamage(
  dataFolder: string,
  damaged: readonly Damage[],
): Promise<void> {
  const file = knownDamageFile(dataFolder)
  if (damaged.length === 0) return rm(file, { force: true })
  const places = damaged.map(({ segmentId, fromByte }) => [segmentId, fromByte])
  await replaceFile(file, `${JSON.stringify({ format: 1, places })}\n`, 0o600)
}

/** Says of each place whether it is known. */
export async function readKnownDamage(dataFolder: string): Promise<(place: Damage) => boolean> {
  const known = new Set<string>()
  try {
    const { places } = JSON.parse(await readFile(knownDamageFile(dataFolder), 'utf8'))
    for (const [segmentId, fromByte] of places) known.add(`${segmentId} ${fromByte}`)
  } catch (error) {
    // A damaged note is no note: then everything is reported.
    if (
      !(error instanceof SyntaxError || error instanceof TypeError) &&
      errnoOf(error) !== 'ENOENT'
    ) {
      throw error
    }
  }
  return ({ segmentId, fromByte }) => known.has(`${segmentId} ${fromByte}`)
}
