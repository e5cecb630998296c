import type { Digest } from '../../base/hash.ts'
import { mediaType } from '../../wire/part-header.ts'
import { WireError } from '../../wire/wire-error.ts'
import { asAlreadyStored } from '../ingest/record-verdict.ts'
import type { Finished } from './finished-uploads.ts'
import type { Append, Complete, Reached, Receipt } from './resumable-upload.ts'

/** An upload that a request creates. */
export interface Creation extends Omit<Append, 'offset'> {
  readonly machine: string
  readonly contentType: string
  readonly contentDisposition: string
  /** Of the whole message, if the request tells. */
  readonly messageBytes: number | undefined
  /** What the sender calls it; undefined to have an id assigned. */
  readonly uploadId: Digest | undefined
  /** True where there is no room to begin it. */
  readonly onlyIfKnown?: boolean
  /** Told before the first byte is read. */
  readonly onCreated?: (uploadId: Digest) => void
}

export type Created =
  /** It is known: the body was not read. */
  | (Reached & { readonly uploadId: Digest })
  | (Complete & { readonly uploadId: Digest })
  | (Exclude<Receipt, Complete> & { readonly uploadId: Digest })
  /** It was to be taken only if it is known. */
  | { readonly kind: 'unknown' }
  /** The machine has too many under way at once. */
  | { readonly kind: 'too_many' }

/** What is known of an upload, and what the request said that began it. */
type Known = (Reached | Complete) & Pick<Finished, 'contentDisposition'>

/** For a sender that offers it again. @throws WireError when it offers something else */
export function asKnown(creation: Creation, known: Known, uploadId: Digest): Created {
  if (isOther(creation, known)) {
    const message = 'Idempotency-Key stands for a file of another name or length already'
    throw new WireError('upload_id_mismatch', message)
  }
  if (known.kind === 'unfinished') return { ...known, uploadId }
  return { ...known, uploadId, outcomes: known.outcomes.map(asAlreadyStored) }
}

/** With a manifest the id says what is meant. Without one it was chosen, and may have been chosen twice. */
function isOther(
  { contentType, contentDisposition, messageBytes }: Creation,
  known: Known,
): boolean {
  if (mediaType(contentType) === 'multipart/form-data') return false
  if (contentDisposition !== known.contentDisposition) return true
  const lengths = [messageBytes, known.messageBytes]
  return !lengths.includes(undefined) && lengths[0] !== lengths[1]
}
