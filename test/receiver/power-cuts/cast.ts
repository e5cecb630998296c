import type { BytePath } from '../../../src/base/byte-path.ts'
import type { Digest } from '../../../src/base/hash.ts'
import { type BuiltMessage, buildMessage, type FileOfMessage } from '../../support/message.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'

/** A message of one machine, and the files in it that may be stored. */
export interface CastMessage {
  readonly key: string
  readonly machine: string
  readonly built: BuiltMessage
  /** The identities of its files that arrive as they are declared. */
  readonly files: readonly string[]
  readonly isRight: boolean
}

export interface CastUpload extends CastMessage {
  /** Its first request tells how long the message is. */
  readonly isAnnounced: boolean
}

/** Everything that is sent in a recorded run. */
export interface Cast {
  readonly bundles: readonly CastMessage[]
  readonly uploads: readonly CastUpload[]
  /** Sent only after a crash. */
  readonly newcomer: CastMessage
  /** The bytes of every file that may ever be listed, by its identity. */
  readonly contents: ReadonlyMap<string, Buffer>
}

export interface FileIdentity {
  readonly machine: string
  readonly path: BytePath
  readonly mtimeNs: bigint
  readonly sizeBytes: number
  readonly digest: Digest
}

export function identityOf(file: FileIdentity): string {
  return [file.machine, file.path, file.mtimeNs, file.sizeBytes, file.digest].join(' ')
}

const machines = ['robot', 'rover'] as const
const wrongDigest = '00'.repeat(32)

export function makeCast(random: SeededRandom): Cast {
  const contents = new Map<string, Buffer>()
  const add = (machine: string, files: readonly FileOfMessage[]): CastMessage => {
    const built = buildMessage(files)
    const right = built.manifest.files.flatMap((file, index) => {
      if (files[index]!.declaredDigest !== undefined) return []
      const identity = identityOf({ ...file, machine, digest: built.digests[index]! })
      contents.set(identity, Buffer.from(files[index]!.bytes as string))
      return [identity]
    })
    const key = `${machine} ${built.uploadId}`
    return { key, machine, built, files: right, isRight: right.length === files.length }
  }
  const bundleFiles: FileOfMessage[] = []
  const bundles = Array.from({ length: 14 }, (_, index) => {
    const files: FileOfMessage[] = Array.from({ length: random.between(1, 4) }, (_file, place) => ({
      path: `/data/${index}/${place}`,
      bytes: random.bytes(random.pick([0, 10, random.between(11, 900), random.between(901, 9000)])),
      ...(random.chance(0.1) ? { declaredDigest: wrongDigest } : {}),
    }))
    // Of two messages with the same file one is the loser.
    if (bundleFiles.length > 0 && random.chance(0.4)) files.push(bundleFiles.at(-1)!)
    bundleFiles.push(files[0]!)
    return add(random.pick(machines), files)
  })
  const sizes = [9_000, 21_000, 33_000, 40_000, 300_000, random.between(1, 9000)]
  const uploads = sizes.map((sizeBytes, index) => ({
    ...add(random.pick(machines), [
      {
        path: `/large/${index}`,
        bytes: random.bytes(sizeBytes),
        ...(index === 1 ? { declaredDigest: wrongDigest } : {}),
      },
    ]),
    isAnnounced: index !== 2 && index !== 5,
  }))
  // A file that a bundle brings too.
  uploads.push({ ...add('robot', [bundleFiles[3]!]), isAnnounced: true })
  const newcomer = add('robot', [{ path: '/data/new', bytes: 'after the crash' }])
  return { bundles, uploads, newcomer, contents }
}
