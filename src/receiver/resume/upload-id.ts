import { randomBytes } from 'node:crypto'
import type { Digest } from '../../base/hash.ts'

/** No hash begins so, as far as anybody can compute. */
const ownPrefix = '0'.repeat(16)

/** An id for an upload whose sender names none. Nobody can guess it. */
export function assignUploadId(): Digest {
  return ownPrefix + randomBytes(24).toString('hex')
}

/** What the id says of the manifest: undefined for one that was assigned here. */
export function expectedManifestDigest(uploadId: Digest): Digest | undefined {
  return uploadId.startsWith(ownPrefix) ? undefined : uploadId
}
