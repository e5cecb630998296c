import type { BytePath } from '../../base/byte-path.ts'
import { blake3, type Digest } from '../../base/hash.ts'
import { whyNameNotAllowed } from '../../wire/file-name.ts'
import type { ManifestFile } from '../../wire/manifest.ts'
import { MsgpackWriter } from '../../wire/msgpack-writer.ts'
import { labelsOfNamedFile, unknownTimeNs } from '../../wire/named-file.ts'
import type { Outcome } from '../../wire/outcome.ts'
import type { FileEntry } from '../store/catalog.ts'
import type { Verdict } from './verdict.ts'

/** A file that a client sent with a name instead of a manifest, as it arrived. */
export interface NamedFile {
  readonly path: BytePath
  /** In lower case, without parameters; empty when the client sent none. */
  readonly mediaType: string
  readonly sizeBytes: number
  readonly digest: Digest
  /** Of its first byte in the message. */
  readonly offset: number
}

/**
 * Says of such files what a manifest would have said. Everything in it comes from the message and the
 * head of its record, so a catalog that is made anew says the same.
 */
export function verdictOn(named: readonly NamedFile[], expectedId: Digest | undefined): Verdict {
  const files: FileEntry[] = []
  const outcomes = named.map(({ path, mediaType, sizeBytes, digest, offset }): Outcome => {
    if (whyNameNotAllowed(path) !== undefined) {
      return { status: 'rejected', reason: 'name_not_allowed', sizeBytes, digest, path }
    }
    const labels = labelsOfNamedFile(mediaType)
    const times = { mtimeNs: unknownTimeNs, ctimeNs: unknownTimeNs }
    const file: ManifestFile = { path, sizeBytes, ...times, labels }
    files.push({ file, digest, offset })
    return { status: 'stored', sizeBytes, digest, path }
  })
  const messageDigest = digestOfNamedFiles(named)
  return { uploadId: expectedId ?? messageDigest, files, outcomes, messageDigest }
}

/** BLAKE3 of all that is taken from such a message. */
function digestOfNamedFiles(named: readonly NamedFile[]): Digest {
  const out = new MsgpackWriter(64 + named.length * 96)
  out.array(named.length)
  for (const { path, mediaType, sizeBytes, digest } of named) {
    out.array(4)
    out.binary(Buffer.from(path, 'latin1'))
    out.text(mediaType)
    out.int(sizeBytes)
    out.binary(Buffer.from(digest, 'hex'))
  }
  return blake3(out.bytes())
}
