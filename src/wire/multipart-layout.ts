import type { Digest } from '../base/hash.ts'
import { digestBytes, manifestContentType } from './limits.ts'

/**
 * Where every byte of a message stands, given the manifest: the same files make the same message, so
 * that an upload can go on in its middle. RFC 7578 (multipart/form-data), RFC 2046 section 5.1.
 */
export interface MessageLayout {
  readonly contentType: string
  /** Length of the whole message. */
  readonly contentLength: number
  /** From the first byte to the end of the manifest. */
  readonly head: Buffer
  /** Stands before the bytes of every file. */
  readonly beforeFile: Buffer
  /** Stands before the digests. */
  readonly beforeDigests: Buffer
  readonly tail: Buffer
}

/**
 * The boundary comes from the upload id, which is a hash of the manifest: it cannot stand in the
 * manifest, and a file's bytes are framed by their length, never searched.
 */
export function boundaryOf(uploadId: Digest): string {
  return `longshore-${uploadId.slice(0, 16)}`
}

export function layOutMessage(
  manifest: Buffer,
  uploadId: Digest,
  sizesBytes: readonly number[],
): MessageLayout {
  const boundary = boundaryOf(uploadId)
  const head = Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="manifest"; filename="manifest"\r\n` +
        `Content-Type: ${manifestContentType}\r\n\r\n`,
      'latin1',
    ),
    manifest,
  ])
  const beforeFile = Buffer.from(filePartHead(boundary), 'latin1')
  const beforeDigests = Buffer.from(
    `\r\n--${boundary}\r\nContent-Disposition: form-data; name="digests"; filename="digests"\r\n\r\n`,
    'latin1',
  )
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1')
  let contentLength = head.length + beforeDigests.length + tail.length
  contentLength += sizesBytes.length * (beforeFile.length + digestBytes)
  for (const sizeBytes of sizesBytes) contentLength += sizeBytes
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    contentLength,
    head,
    beforeFile,
    beforeDigests,
    tail,
  }
}

/** The same for every upload: their boundaries are equally long. */
export const filePartHeadBytes = filePartHead(boundaryOf('0'.repeat(64))).length

export function filePartHead(boundary: string): string {
  return `\r\n--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n`
}

/** The body of the `digests` part. */
export function packDigests(digests: readonly Digest[]): Buffer {
  return Buffer.from(digests.join(''), 'hex')
}

export function unpackDigests(packed: Buffer): Digest[] {
  const digests: Digest[] = []
  for (let at = 0; at < packed.length; at += digestBytes) {
    digests.push(packed.toString('hex', at, at + digestBytes))
  }
  return digests
}
