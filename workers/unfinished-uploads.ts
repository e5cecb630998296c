import type { BytePath } from '../src/base/byte-path.ts'
import type { FileIdentity } from '../src/base/file-identity.ts'
import type { Digest } from '../src/base/hash.ts'
import type { MessageLayout } from '../src/wire/multipart-layout.ts'
import type { ShardFile } from '../src/wire/thread-messages.ts'
import type { FileHash } from './file-hash.ts'

/** What an upload needs to go on after a break. */
export interface UnfinishedUpload {
  readonly file: ShardFile
  readonly identity: FileIdentity
  readonly uploadId: Digest
  readonly layout: MessageLayout
  readonly hash: FileHash
  /** The digests have gone out at least once, so the receiver may have stored the file. */
  mayBeComplete: boolean
}

/** Its hasher and its manifest: a few kilobytes each. */
const mostUploads = 64

/**
 * The uploads of one thread that broke off, so that a break costs no reading again. Kept in memory only,
 * and only while the thread lives; beyond the bound the oldest is forgotten, and read again if need be.
 */
export class UnfinishedUploads {
  readonly #byPath = new Map<BytePath, UnfinishedUpload>()

  /** Hands it over: it is here again only after `keep`. */
  take(path: BytePath): UnfinishedUpload | undefined {
    const upload = this.#byPath.get(path)
    this.#byPath.delete(path)
    return upload
  }

  keep(upload: UnfinishedUpload): void {
    const { path } = upload.file
    this.#byPath.delete(path)
    this.#byPath.set(path, upload)
    if (this.#byPath.size <= mostUploads) return
    const [oldest] = this.#byPath.keys()
    this.#byPath.delete(oldest!)
  }
}
