import { readRecordHead, segmentMagic } from '../../../src/receiver/store/record.ts'
import { type Cast, type CastUpload, identityOf } from './cast.ts'
import { Life } from './life.ts'
import type { Step, World } from './world.ts'

/**
 * Starts a receiver on what was found, and has the devices go on with it. Returns what is wrong, in
 * words; nothing when all is well.
 *
 * @param isSameBoot - The process was killed and the computer went on: all that was written is there.
 */
export async function checkWorld(
  cast: Cast,
  world: World,
  isSameBoot: boolean,
  history: Step[],
): Promise<readonly string[]> {
  const wrong: string[] = []
  const written = isSameBoot ? await writtenOffsets(world) : new Map<string, number>()
  // One that is being built anew tells of torn tails too, which nobody was told are stored.
  const wasComplete = world.catalog.includes(undefined)
  const wasAcknowledged = new Set(world.acknowledged)
  const life = await Life.start(world, history)
  try {
    const { damaged } = life.report
    if (wasComplete && damaged.length > 0) wrong.push(`damage: ${JSON.stringify(damaged)}`)
    wrong.push(...(await checkList(cast, life)))
    for (const upload of cast.uploads) {
      wrong.push(...(await checkUpload(life, upload, written.get(upload.key))))
    }
    const { newcomer } = cast
    const outcomes = await life.bundle(newcomer)
    if (outcomes?.[0]?.status === 'rejected') wrong.push('a new file is not stored')
    const known = cast.bundles.find(
      ({ files }) => files.length > 0 && files.every((file) => wasAcknowledged.has(file)),
    )
    const again = known === undefined ? [] : await life.bundle(known)
    if (again!.some(({ status }) => status === 'stored')) {
      wrong.push('an acknowledged file was stored again')
    }
    wrong.push(...(await checkList(cast, life)))
    await life.close()
    const left = world.disk.names.filter((name) => !/\.seg$|^boot-id$/.test(name))
    if (left.length > 0) wrong.push(`left over: ${left.join(' ')}`)
  } finally {
    await life.dispose()
  }
  return wrong
}

/** Every acknowledged file is there, and nothing that was not sent whole; once, and byte for byte. */
async function checkList(cast: Cast, life: Life): Promise<readonly string[]> {
  const wrong: string[] = []
  const listed = new Set<string>()
  for (const file of await life.list()) {
    const identity = identityOf(file)
    const name = identity.slice(0, 60)
    if (!life.world.sent.has(identity)) wrong.push(`never sent whole, but listed: ${name}`)
    if (listed.has(identity)) wrong.push(`listed twice: ${name}`)
    if (cast.contents.get(identity)?.equals(file.bytes) === false)
      wrong.push(`wrong bytes: ${name}`)
    listed.add(identity)
  }
  for (const identity of life.world.acknowledged) {
    if (!listed.has(identity)) wrong.push(`acknowledged and not there: ${identity.slice(0, 60)}`)
  }
  return wrong
}

async function checkUpload(
  life: Life,
  upload: CastUpload,
  writtenOffset: number | undefined,
): Promise<readonly string[]> {
  const { world } = life
  const { built, files, isRight, key } = upload
  const name = `upload of ${built.body.length} bytes`
  const told = world.told.get(key)
  const isReleased = world.released.has(key)
  const reached = await life.look(upload)
  if (reached?.kind === 'complete') return []
  if (reached === undefined) {
    const due = told ?? (isReleased ? undefined : writtenOffset)
    if (due === undefined) return []
    // Its file may have come on another way; then it is over as well.
    const listed = new Set((await life.list()).map(identityOf))
    if (isRight && files.every((file) => listed.has(file))) return []
    // The length that is told only at the end is written over the beginning, and may be torn there.
    if (!upload.isAnnounced && files.every((file) => world.sent.has(file))) return []
    return [`${name}: gone, though it was at ${due}`]
  }
  const wrong: string[] = []
  const { offset } = reached
  if (told !== undefined && offset < told) wrong.push(`${name}: at ${offset}, was told ${told}`)
  if (writtenOffset !== undefined && !isReleased && offset < writtenOffset) {
    wrong.push(`${name}: at ${offset}, though ${writtenOffset} were written`)
  }
  const { stream, done } = life.append(upload, offset, built.body.length)
  const receipt = await done.catch((error: unknown) => String(error))
  stream.destroy()
  const statuses =
    typeof receipt === 'object' && receipt.kind === 'complete'
      ? receipt.outcomes.map(({ status, reason }) => reason ?? status)
      : [JSON.stringify(receipt)]
  const right = isRight ? ['stored', 'already_stored'] : ['digest_mismatch']
  if (!statuses.every((status) => right.includes(status))) {
    wrong.push(`${name}: went on at ${offset}, and ended as ${statuses}`)
  }
  return wrong
}

/** How much of each unfinished upload a killed process had written. */
async function writtenOffsets({ disk, bootId }: World): Promise<Map<string, number>> {
  const offsets = new Map<string, number>()
  const noted = disk.fileIdOf('boot-id')
  // It was killed before it had looked at what the power cut had left.
  if (noted === undefined || String(disk.bytesOf(noted)) !== bootId) return offsets
  for (const name of [...disk.names].filter((each) => each.endsWith('.part')).sort()) {
    const bytes = disk.bytesOf(disk.fileIdOf(name)!)
    const readAt = async (at: number, size: number) => bytes.subarray(at, at + size)
    const head = await readRecordHead(readAt, segmentMagic.length)
    if (head === undefined) continue
    const { machine, uploadId, messageBytes } = head.value
    offsets.set(`${machine} ${uploadId}`, Math.min(bytes.length - head.end, messageBytes))
  }
  return offsets
}
